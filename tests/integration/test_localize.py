"""The six stages on tiny synthetic videos: in one command, stage by stage, from features alone; and what a user gets wrong."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.data.annotated import entry, write_annotations, write_features
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_broken, write_video

from vclr_pl.localize import localize
from vclr_pl.runner.localization import STAGES, chosen_stages
from vclr_pl.runner.run import run
from vclr_pl.types import InputError

QUICK = [
    "trainer=cpu",
    "decoding=pyav",
    "loader.workers=0",
    "localizer.hidden_1d=8",
    "localizer.hidden_2d=4",
    "localizer.hidden_3d=8",
    "localizer.samples=4",
    "resampling.positions=12",
    "extractor.snippet_frames=4",
    "batches.batch_size=2",
    "trainer.max_epochs=2",
]
SECONDS = 32 / 25


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run/`, an encoder; four videos, of which `broken` is no video; their annotations."""
    folder = tmp_path_factory.mktemp("localization")
    write_run(folder / "run")
    for name in ("one", "two", "three"):
        write_video(folder / "videos" / f"v_{name}.mp4", frames=32)
    write_broken(folder / "videos" / "broken.mp4")
    annotations = [{"label": "jump", "segment": [0.2, 0.7]}]
    database = {
        "one": entry(duration=SECONDS, annotations=annotations),
        "two": entry(duration=SECONDS, annotations=[*annotations, {"label": "run", "segment": [0.8, 1.2]}]),
        "broken": entry(duration=SECONDS, annotations=annotations),
        "three": entry("validation", SECONDS, annotations=annotations),
    }
    write_annotations(folder / "videos.json", database)
    return folder


def command(places: Path, name: str, *more: str) -> list[str]:
    here = [f"untrimmed.annotations={places / 'videos.json'}", f"untrimmed.root={places / 'videos'}", f"encoder={places / 'run'}"]
    return [*here, f"paths.data={places / 'kept'}", f"paths.runs={places / 'runs'}", f"name={name}", *QUICK, *more]


def start(places: Path, name: str, *more: str) -> int:
    return run(localize, config_name="localize", arguments=command(places, name, *more))


@pytest.fixture(scope="module")
def whole(places: Path) -> Path:
    assert start(places, "whole") == 0
    return places / "runs" / "whole"


def results(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found


def test_one_command_leaves_the_product_of_each_stage(whole: Path) -> None:
    assert sorted(path.name for path in (whole / "features").glob("*.npy")) == ["one.npy", "three.npy", "two.npy"]
    with (whole / "features" / "videos.csv").open(newline="") as lines:
        assert {line["video"]: line["status"][:6] for line in csv.DictReader(lines)}["broken"] == "broken"
    assert np.load(whole / "resampled" / "one.npy").shape == (8, 12)
    assert torch.load(whole / "checkpoints" / "last.ckpt", weights_only=True)["epoch"] == 1
    proposals = json.loads((whole / "proposals" / "proposals.json").read_text())["results"]
    assert list(proposals) == ["three"]
    assert all(0 <= row["segment"][0] < row["segment"][1] <= SECONDS for row in proposals["three"])
    record = results(whole)
    assert set(record["metrics"]) == set(record["baseline"]) == {"ar_1", "ar_5", "ar_10", "ar_100", "auc"}
    assert set(record["timings_seconds"]) == set(STAGES)
    assert record["provenance"]["seed"] == 0
    assert record["choices"] == {"data": "localization_set", "task": "videos"}
    assert record["outcomes"]["weights"] == "1"
    assert 100 * float(record["outcomes"]["values"]["auc"]) == pytest.approx(record["metrics"]["auc"], abs=1e-9)
    assert 100 * float(record["outcomes"]["values"]["ar_100"]) == pytest.approx(record["metrics"]["ar_100"], abs=1e-9)
    assert (whole / "metrics.csv").is_file()
    assert "data:image/webp" in (whole / "pages" / "three.html").read_text()
    assert (whole / "config.yaml").is_file()


def test_stage_by_stage_is_the_same(places: Path, whole: Path) -> None:
    for stage in STAGES:
        assert start(places, "steps", f"stages=[{stage}]") == 0
    folder = places / "runs" / "steps"
    assert results(folder)["metrics"] == results(whole)["metrics"]
    for name in ("proposals/proposals.json", "features/one.npy", "resampled/two.npy", "pages/three.html"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_what_is_done_is_kept(places: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """But the broken video, which might have been repaired."""
    kept = [path for kind in ("*.npy", "*.ckpt", "proposals_*.jsonl") for path in whole.rglob(kind)]
    before = {path: path.stat().st_mtime_ns for path in kept}
    assert len(before) == 3 + 3 + 2 + 1
    assert start(places, "whole") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert capsys.readouterr().out.count("kept") == 3


def test_training_goes_on_as_if_it_had_not_stopped(places: Path, whole: Path) -> None:
    stages = "stages=[features,resample,train]"
    assert start(places, "halves", stages, "trainer.max_epochs=1") == 0
    assert start(places, "halves", stages) == 0
    both = [torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True) for folder in (whole, places / "runs" / "halves")]
    assert both[0]["epoch"] == both[1]["epoch"] == 1
    for name, value in both[0]["state_dict"].items():
        torch.testing.assert_close(both[1]["state_dict"][name], value)


def test_features_from_elsewhere_are_enough(places: Path, tmp_path: Path) -> None:
    """CSV and NumPy files of five numbers, no videos, and class scores of one's own."""
    write_features(tmp_path / "mine", {"one": 20, "two": 7}, dimension=5)
    np.savetxt(tmp_path / "mine" / "three.csv", np.random.default_rng(0).random((30, 5)), delimiter=",", header="a,b,c,d,e", comments="")
    (tmp_path / "scores.json").write_text('{"three": {"jump": 0.8, "run": 0.2}}')
    more = [f"snippets={tmp_path / 'mine'}", "untrimmed.root=null", "encoder=null", "resampling.allow_missing=true"]
    assert start(places, "mine", *more, f"class_scores={tmp_path / 'scores.json'}", "stages=[resample,train,propose,evaluate,page]") == 0
    folder = places / "runs" / "mine"
    assert set(results(folder)["metrics"]) >= {"map_50", "map_75", "map_95", "map"}
    assert "<img" not in (folder / "pages" / "three.html").read_text()
    assert start(places, "mine", *more) == 0  # the stage features says where they come from


def test_weights_of_another_run_propose(places: Path, whole: Path) -> None:
    checkpoint = f"checkpoint={whole / 'checkpoints' / 'last.ckpt'}"
    assert start(places, "borrowed", "stages=[features,resample,propose]", checkpoint) == 0
    mine, theirs = (folder / "proposals" / "proposals.json" for folder in (places / "runs" / "borrowed", whole))
    assert mine.read_text() == theirs.read_text()


def test_the_demo_renders_what_it_needs(places: Path) -> None:
    more = ["untrimmed=demo", f"untrimmed.root={places / 'demo'}", "untrimmed.training_videos=2", "untrimmed.validation_videos=1"]
    more += ["untrimmed.seconds_range=[12,14]", "untrimmed.size_pixels=32", "stages=[features,resample,train,propose,evaluate]"]
    arguments = [
        part for part in command(places, "demo", *more) if not part.startswith(("untrimmed.annotations", f"untrimmed.root={places / 'v'}"))
    ]
    assert run(localize, config_name="localize", arguments=arguments) == 0
    assert results(places / "runs" / "demo")["metrics"]["ar_100"] >= 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["stages=[featurs]"], "Did you mean features"),
        (["stages=[]"], "stages of features, resample"),
        (["encoder=null"], "an encoder, or features"),
        (["stages=[train]"], "Run the stage resample first"),
        (["stages=[evaluate]"], "Run the stage resample first"),
        (["untrimmed.annotations=absent.json"], "annotations in ActivityNet's form"),
        (["subset=test"], "subset to be one of"),
        (["snippets=absent", "stages=[resample]"], "snippet features in"),
        (["batches.batch_size=0"], "batches.batch_size of at least 1"),
        (["extractor.snippet_frames=0"], "extractor.snippet_frames"),
        (["localizer.hiden_1d=8"], "localizer.hidden_1d"),
        (["trainer.precision=bf16-true"], "trainer.precision of 32-true, bf16-mixed"),
        (["localizer_module.optimizer.lr=1e30", "localizer_module.optimizer.weight_decay=1e30"], "expected a finite loss"),
        (["loader.videos_per_batch=2"], "loader.videos_per_batch"),
    ],
)
def test_mistakes_end_in_one_line(places: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str) -> None:
    assert start(places, f"mistake_{abs(hash(told))}", *more) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["trainer.max_epochs=3", "localizer_module.optimizer.lr=1e-2"], "a localizer of the same features, annotations and options"),
        (["extractor.snippet_frames=8"], "features of another snippet_frames"),
        (["checkpoint=absent.ckpt"], "a trained localizer"),
        (["class_scores=absent.json"], "class scores, JSON"),
        (["page.proposals=0"], "page.proposals"),
    ],
)
def test_a_folder_of_something_else_is_refused(
    places: Path, whole: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    assert start(places, "whole", *more) == 2
    assert told in capsys.readouterr().err


def test_training_is_kept_when_other_videos_come(places: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One more video to judge, and another subset, are nothing that training sees; proposals are made anew."""
    assert start(places, "grows", "stages=[features,resample,train,propose]") == 0
    database = json.loads((places / "videos.json").read_text())["database"]
    write_video(places / "videos" / "four.mp4", frames=32)
    database |= {"four": entry("validation", SECONDS, annotations=[{"label": "run", "segment": [0.1, 0.9]}])}
    more = f"untrimmed.annotations={write_annotations(tmp_path / 'more.json', database)}"
    capsys.readouterr()
    assert start(places, "grows", "stages=[features,resample,train,propose]", more) == 0
    assert "trained for 2 epochs: kept" in capsys.readouterr().out
    found = json.loads((places / "runs" / "grows" / "proposals" / "proposals.json").read_text())["results"]
    assert list(found) == ["three", "four"]
    assert start(places, "grows", "stages=[propose]", more) == 0
    assert "(2 kept)" in capsys.readouterr().out
    borrowed = f"checkpoint={whole / 'checkpoints' / 'last.ckpt'}"
    assert start(places, "grows", "stages=[propose]", more, borrowed) == 0
    assert start(places, "grows", "stages=[propose]", more, borrowed, "localizer.boundary_ratio=0.25") == 0
    assert "kept)" not in capsys.readouterr().out


def in_two_processes(places: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    """As torchrun starts them: both at once."""
    given = [part for part in command(places, name, *more) if part != "trainer=cpu"]
    environment = {**os.environ, "HYDRA_FULL_ERROR": "0", "OMP_NUM_THREADS": "1"}
    whole_command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    whole_command += ["-m", "vclr_pl.localize", "trainer=ddp_cpu", *given]
    return subprocess.run(whole_command, cwd=places, env=environment, capture_output=True, text=True, timeout=240, check=False)


def test_two_processes_wait_for_the_firsts_files(places: Path, tmp_path: Path) -> None:
    """Features of one's own are resampled by one process, before the other trains on them."""
    write_features(tmp_path / "mine", {"one": 20, "two": 7, "three": 9}, dimension=5)
    more = [f"snippets={tmp_path / 'mine'}", "resampling.allow_missing=true", "untrimmed.root=null", "encoder=null", "page=null"]
    done = in_two_processes(places, "two", *more)
    assert done.returncode == 0, done.stderr
    assert "2 processes: 4 videos a step in all, 2 in each; the learning rate is as given" in done.stdout
    lines = (places / "runs" / "two" / "metrics.csv").read_text()
    assert "data_wait" not in lines
    again = in_two_processes(places, "two", *more, "stages=[propose,evaluate]", "proposing.maker.maximum_proposals=5")
    assert again.returncode == 0, again.stderr
    (found,) = json.loads((places / "runs" / "two" / "proposals" / "proposals.json").read_text())["results"].values()
    assert len(found) == 5
    wrong = in_two_processes(places, "wrong", "snippets=absent", "untrimmed.root=null", "stages=[resample]")
    assert wrong.returncode != 0
    assert "snippet features in" in wrong.stderr
    assert "Gloo" not in wrong.stderr


def test_missing_features_name_the_video(places: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_features(tmp_path / "mine", {"one": 20, "two": 7})
    assert start(places, "missing", f"snippets={tmp_path / 'mine'}") == 2
    assert "features of video 'broken'" in capsys.readouterr().err


def test_real_footage_goes_through_all_stages(real_footage: Path, tmp_path: Path) -> None:
    """Four untouched files of 3 to 10 seconds in three containers, segments written by hand."""
    hands, person = ({"label": label, "segment": [0.0, 3.0]} for label in ("hands", "person"))
    database = {
        "decord_flipping_a_pancake": entry(duration=10.381, annotations=[{"label": "hands", "segment": [0.8, 8.5]}]),
        "mmaction2_S001C001P001R001A001_rgb": entry(duration=3.433, annotations=[person]),
        "mmaction2_demo": entry("validation", 10.0, annotations=[hands]),
        "moviepy_chaplin": entry("validation", 9.64, annotations=[person]),
    }
    if not (real_footage / "long").is_dir():
        pytest.skip(f"{real_footage} has no folder long")
    more = [f"untrimmed.annotations={write_annotations(tmp_path / 'real.json', database)}", f"untrimmed.root={real_footage / 'long'}"]
    arguments = [*more, "encoder=random", "backbone=small_resnet", "protocol.crop_pixels=32", "protocol.short_side_pixels=40", "name=real"]
    arguments += [*QUICK, f"paths.data={tmp_path}"]
    assert run(localize, config_name="localize", arguments=[*arguments, f"paths.runs={tmp_path}"]) == 0
    for stage in STAGES:
        assert run(localize, config_name="localize", arguments=[*arguments, f"paths.runs={tmp_path / 'steps'}", f"stages=[{stage}]"]) == 0
    for name in ("proposals/proposals.json", "features/mmaction2_demo.npy", "pages/moviepy_chaplin.html"):
        assert (tmp_path / "steps" / "real" / name).read_bytes() == (tmp_path / "real" / name).read_bytes()
    assert results(tmp_path / "steps" / "real")["metrics"] == results(tmp_path / "real")["metrics"]
    with (tmp_path / "real" / "features" / "videos.csv").open(newline="") as lines:
        frames = {line["video"]: (line["frames"], line["status"]) for line in csv.DictReader(lines)}
    assert frames["mmaction2_demo"] == ("280", "ok")
    assert len(list((tmp_path / "real" / "pages").glob("*.html"))) == 3


def test_stages_come_in_their_order() -> None:
    assert chosen_stages(["page", "train"]) == ["train", "page"]
    with pytest.raises(InputError, match="stages"):
        chosen_stages([])
