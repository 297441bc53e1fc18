"""Commands on videos of an S3 server and of a web server: the results are those of the disk, and no file has a secret."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.hub_stand_in import stand_in
from tests.remote_server import SECRET, Fault, http_server
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_video

from vclr_pl.check import check
from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.prepare import prepare
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run
from vclr_pl.train import train

TINY = [
    "trainer=cpu",
    "trainer.max_epochs=1",
    "loader.batch_size=2",
    "loader.workers=1",
    "transform.size_pixels=32",
    "backbone=small_resnet",
]
TINY += ["evaluation.enabled=false", "fit_to_data=false", "queue.default.length=64", "decoding=pyav"]


@pytest.fixture
def videos(tmp_path) -> Path:
    for number in range(6):
        write_video(tmp_path / "set" / f"class{number % 2}" / f"{number}.mp4", frames=8 + number)
    return tmp_path / "set"


def losses(folder: Path) -> list[str]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [line["train/loss"] for line in csv.DictReader(file) if line["train/loss"]]


def test_training_has_the_same_losses(tmp_path, videos, s3):
    url = s3.upload(videos, tmp_path.name)
    s3.proxy.faults += [Fault("cut"), Fault(503)]
    for name, root in (("disk", videos), ("server", url)):
        words = ["experiment=folder", f"data.root={root}", f"cache.folder={tmp_path / 'cache'}", f"hydra.run.dir={tmp_path / name}", *TINY]
        assert run(train, config_name="train", arguments=words) == 0
    assert losses(tmp_path / "server") == losses(tmp_path / "disk") != []
    config = (tmp_path / "server/config.yaml").read_text()
    assert f"root: {url}" in config
    assert SECRET not in config


def test_features_measures_and_neighbors_are_the_same(tmp_path, videos, s3):
    write_run(tmp_path / "run")
    url = s3.upload(videos, tmp_path.name)
    for name, root in (("disk", videos), ("server", url)):
        words = [f"encoder={tmp_path / 'run'}", f"cache.folder={tmp_path / 'cache'}", f"paths.data={tmp_path / 'data'}", "decoding=pyav"]
        words += ["trainer=cpu", "loader.workers=0", "protocol.frames=2"]
        data = [*words, f"data.root={root}"]
        out = tmp_path / name
        assert run(embed, config_name="embed", arguments=[*data, f"output={out}/features", f"hydra.run.dir={out}/embed"]) == 0
        assert run(evaluate, config_name="evaluate", arguments=[*data, f"hydra.run.dir={out}/evaluate"]) == 0
        assert run(retrieve, config_name="retrieve", arguments=[*words, f"gallery.root={root}", f"hydra.run.dir={out}/retrieve"]) == 0
    features = [np.load(tmp_path / name / "features" / "features.npy") for name in ("disk", "server")]
    assert np.array_equal(*features)
    tables = [(tmp_path / name / "retrieve/neighbors.csv").read_text() for name in ("disk", "server")]
    assert tables[1].replace(url, str(videos)) == tables[0]
    assert len(s3.proxy.fetched()) == 6  # once by all commands


def test_a_server_that_ends_in_the_middle_and_a_secret_in_the_address(tmp_path, videos, capsys):
    with http_server(videos) as proxy:
        secret = proxy.url.replace("://", "://me:password1@") + "/?signature=hidden2"
        words = [
            f"data.root='{secret}'",
            f"cache.folder={tmp_path / 'cache'}",
            "cache.tries=2",
            "cache.pause_seconds=0",
            "cache.connections=0",
        ]
        proxy.faults.append(Fault(503, hits=lambda method, path: method == "GET" and "/3.mp4" in path, times=9))
        assert run(check, config_name="check", arguments=[*words, "reading.processes=2", f"hydra.run.dir={tmp_path / 'check'}"]) == 1
        with (tmp_path / "check/check.csv").open(newline="") as file:
            broken = [line for line in csv.DictReader(file) if line["status"] != "readable"]
        assert [(line["path"], line["backend"]) for line in broken] == [(f"{proxy.url}/class1/3.mp4", "transfer")]
        assert "not transferred in 2 tries" in broken[0]["reason"]
        prepared = [
            *words,
            "set_copy.reencoder.short_side_pixels=32",
            f"output={tmp_path / 'copy'}",
            f"hydra.run.dir={tmp_path / 'prepare'}",
        ]
        proxy.faults.clear()
        assert run(prepare, config_name="prepare", arguments=prepared) == 0
    assert len(list((tmp_path / "copy").rglob("*.mp4"))) == 6
    assert run(check, config_name="check", arguments=[*words, f"hydra.run.dir={tmp_path / 'again'}"]) == 2
    shown = capsys.readouterr()
    assert "error: expected a folder that can be listed at 'http://127.0.0.1" in shown.err
    written = [path.read_bytes().decode(errors="replace") for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".mp4"]
    for text in (shown.out, shown.err, *written):
        assert "password1" not in text
        assert "hidden2" not in text


def test_a_data_set_of_the_hugging_face_hub(tmp_path, videos):
    """In a process of its own: huggingface_hub reads its address once. The stand-in answers what the hub answers."""
    files = {path.relative_to(videos).as_posix(): path.read_bytes() for path in videos.rglob("*.mp4")}
    with stand_in({"owner/videos": {"README.md": b"", **{f"train/{name}": content for name, content in files.items()}}}) as hub:
        words = ["data.root=hf://datasets/owner/videos", f"cache.folder={tmp_path / 'cache'}", f"hydra.run.dir={tmp_path / 'check'}"]
        done = subprocess.run(
            [sys.executable, "-m", "vclr_pl.check", *words],
            env={**os.environ, "HF_ENDPOINT": hub.address},
            capture_output=True,
            text=True,
            check=False,
        )
        fetched = [line for line in hub.asked if "resolve" in line]
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "data in hf://datasets/owner/videos: train (train): 6 videos of 2 classes" in done.stdout
    assert "HTTP Request" not in done.stdout
    assert len(fetched) == 6
    with (tmp_path / "check/check.csv").open(newline="") as file:
        assert {line["status"] for line in csv.DictReader(file)} == {"readable"}
