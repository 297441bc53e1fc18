"""The commands that read collections with a trained encoder, on real files."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_broken, write_video

from vclr_pl.embed import embed
from vclr_pl.evaluate import evaluate
from vclr_pl.report.__main__ import main as report
from vclr_pl.retrieve import retrieve
from vclr_pl.runner.run import run

QUICK = ["trainer=cpu", "loader.workers=0", "protocol.frames=4", "decoding=pyav"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run/`, an encoder; `set/train` and `set/test`, two classes that brightness tells apart; `set/train/dark/bad.mp4` is broken."""
    folder = tmp_path_factory.mktemp("evaluation")
    write_run(folder / "run")
    for split, count in (("train", 5), ("test", 3)):
        for number in range(count):
            write_video(folder / "set" / split / "dark" / f"{number}.mp4", frames=4 + number)
            write_video(folder / "set" / split / "long" / f"{number}.mp4", frames=24 + number)
    write_broken(folder / "set" / "train" / "dark" / "bad.mp4")
    return folder


def command(places: Path, name: str, *more: str) -> list[str]:
    here = [f"encoder={places / 'run'}", f"paths.data={places / 'kept'}", f"hydra.run.dir={places / 'runs' / name}"]
    return [*here, *QUICK, *more]


def results(places: Path, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((places / "runs" / name / "results.json").read_text())
    return found


@pytest.fixture(scope="module")
def evaluated(places: Path) -> Path:
    assert run(evaluate, config_name="evaluate", arguments=command(places, "whole", f"data.root={places / 'set'}")) == 0
    return places / "runs" / "whole"


def test_evaluate_leaves_results_and_a_page(places: Path, evaluated: Path) -> None:
    record = results(places, "whole")
    assert set(record["metrics"]) - {"rank_me"} == set(record["intervals"])  # type: ignore[call-overload]
    assert {"retrieval_r1", "retrieval_map", "knn_top5", "linear_mean_class"} <= set(record["metrics"])  # type: ignore[call-overload]
    assert set(record["by_class"]["retrieval_r1"]) == {"dark", "long"}  # type: ignore[index]
    assert "0 missing" in record["encoder"]["origin"]  # type: ignore[index]
    page = (evaluated / "retrieval.html").read_text()
    assert "6 queries, each with the most similar of 10 gallery videos" in page
    assert page.count('type="text/plain"') > 10


def test_the_second_evaluation_reads_what_is_kept(places: Path, evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = command(places, "second", f"data.root={places / 'set'}", "evaluation=[retrieval,logistic_probe]", "page=null")
    assert run(evaluate, config_name="evaluate", arguments=arguments) == 0
    told = capsys.readouterr().out
    assert told.count("kept in") == 2
    assert "read " not in told.replace("reading", "")
    metrics = results(places, "second")["metrics"]
    assert {name.split("_")[0] for name in metrics} == {"retrieval", "logistic"}  # type: ignore[attr-defined]
    assert not (places / "runs" / "second" / "retrieval.html").exists()


def test_two_processes_say_the_same(places: Path, evaluated: Path) -> None:
    arguments = command(
        places, "pair", f"data.root={places / 'set'}", "trainer=ddp_cpu", f"paths.data={places / 'kept_by_pair'}", "page=null"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "vclr_pl.evaluate", *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = results(places, "whole"), results(places, "pair")
    assert [one[name] for name in ("metrics", "intervals", "by_class")] == [two[name] for name in ("metrics", "intervals", "by_class")]
    files = [
        {
            path.relative_to(places / kept): path.read_bytes()
            for path in (places / kept / "features").glob("*/*.*")
            if "json" not in path.name
        }
        for kept in ("kept", "kept_by_pair")
    ]
    shared = {path for path in files[0] if path.name in ("features.npy", "videos.csv")} & set(files[1])
    assert len(shared) == 4
    assert all(files[0][path] == files[1][path] for path in shared)


def test_one_video_is_enough_for_two_processes(places: Path) -> None:
    one = write_video(places / "alone" / "one.mp4", frames=6)
    for name, trainer in (("alone_one", "cpu"), ("alone_two", "ddp_cpu")):
        arguments = command(places, name, f"data.root={one.parent}", f"output={places / name}", f"trainer={trainer}")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "vclr_pl.embed", *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    for file in ("features.npy", "videos.csv", "features.json"):
        assert (places / "alone_one" / file).read_bytes() == (places / "alone_two" / file).read_bytes()
    assert len(list((places / "alone_two").iterdir())) == 3


def test_embed_is_for_numpy(places: Path) -> None:
    arguments = command(places, "embed", f"data.root={places / 'set' / 'train'}", "data.class_folders=false", f"output={places / 'mine'}")
    assert run(embed, config_name="embed", arguments=arguments) == 0
    features = np.load(places / "mine" / "features.npy", mmap_mode="r")
    with (places / "mine" / "videos.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert (features.shape, features.dtype) == ((10, 8), np.float32)
    assert [line["row"] for line in lines if line["status"] == "ok"] == [str(row) for row in range(10)]
    broken = [line for line in lines if line["status"] != "ok"]
    assert [Path(line["path"]).name for line in broken] == ["bad.mp4"]
    assert broken[0]["status"].startswith("broken: ")
    assert {line["label"] for line in lines} == {""}


def test_killed_in_the_middle_and_started_again_it_ends_with_the_same_files(places: Path) -> None:
    root = f"data.root={places / 'set'}"
    arguments = [*command(places, "killed", root), "loader.videos_per_batch=1"]
    assert run(embed, config_name="embed", arguments=[*arguments, f"output={places / 'unbroken'}"]) == 0
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.Popen([sys.executable, "-m", "vclr_pl.embed", *arguments, f"output={places / 'killed'}"], env=environment)
    journal, deadline = places / "killed" / "train" / "journal_00000.jsonl", time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3) and time.monotonic() < deadline and killed.poll() is None:
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (places / "killed" / "test" / "videos.csv").exists(), "the kill came too late to show anything"
    assert run(embed, config_name="embed", arguments=[*arguments, f"output={places / 'killed'}"]) == 0
    ended = [
        {path.relative_to(places / name): path.read_bytes() for path in sorted((places / name).rglob("*.*"))}
        for name in ("unbroken", "killed")
    ]
    assert ended[0] == ended[1]
    assert len(ended[0]) == 6


def test_retrieve_finds_the_file_itself(places: Path) -> None:
    query = places / "set" / "train" / "long" / "2.mp4"
    arguments = command(places, "near", f"gallery.root={places / 'set' / 'train'}", f"query.root={query}", "neighbors=3")
    assert run(retrieve, config_name="retrieve", arguments=arguments) == 0
    with (places / "runs" / "near" / "neighbors.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["rank"], line["neighbor"], line["similarity"]) for line in lines][:1] == [("1", str(query), "1.000000")]
    assert [line["rank"] for line in lines] == ["1", "2", "3"]
    assert "One query with the most similar of 10 gallery videos" in (places / "runs" / "near" / "retrieval.html").read_text()


def test_what_is_left_out_of_a_gallery_and_its_options_are_told(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = command(places, "told", f"gallery.root={places / 'set'}", "neighbors=3", "page=null")
    assert run(retrieve, config_name="retrieve", arguments=arguments) == 0
    out = capsys.readouterr().out
    assert f"data in {places / 'set'}: train (train): 11 videos of 2 classes (dark, long); test (test): 6 videos of 2 classes" in out
    assert "gallery: the 6 videos of the test split are left out" in out
    assert run(retrieve, config_name="retrieve", arguments=command(places, "told", "gallery.root=/data.absent")) == 2
    told = "expected gallery.root to be a folder of videos; got '/data.absent', which does not exist. Set gallery.root=DIR."
    assert told in capsys.readouterr().err


def test_report_compares(places: Path, evaluated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report([str(evaluated), str(evaluated)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| run | retrieval R@1 |")
    assert len([line for line in lines if line.startswith("|")]) == 3  # the same run once
    assert lines[-1].startswith("The same in all rows: ")
    assert report([str(places / "set")]) == 2
    assert "expected a run folder with results.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "told"),
    [("encoder=absent", "does not exist"), ("encoder=random", "backbone=resnet50"), ("gallery.root=absent", "does not exist")],
)
def test_bad_input_is_one_line(places: Path, wrong: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        part for part in command(places, "bad", "gallery.root=" + str(places / "set")) if part.split("=")[0] != wrong.split("=")[0]
    ]
    assert run(retrieve, config_name="retrieve", arguments=[*arguments, wrong]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("gallery", "more", "told"),
    [
        ("one", [], "expected two or more readable videos"),
        ("one_readable", [], "expected two or more readable videos"),
        ("two", ["neighbors=0"], "expected neighbors of 1 or more"),
        ("broken", [], "expected gallery videos that can be read; got none, 2 failed, the first is"),
        ("one", ["query.root={places}/galleries/broken"], "expected query videos that can be read; got none, 2 failed, the first is"),
    ],
)
def test_a_gallery_without_neighbors_is_one_line(
    places: Path, gallery: str, more: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, readable, broken in (("one", 1, 0), ("one_readable", 1, 1), ("two", 2, 0), ("broken", 0, 2)):
        for number in range(readable):
            write_video(places / "galleries" / name / f"{number}.mp4", frames=4)
        for number in range(broken):
            write_broken(places / "galleries" / name / f"broken{number}.mp4")
    arguments = command(places, "none", f"gallery.root={places / 'galleries' / gallery}", *(one.format(places=places) for one in more))
    assert run(retrieve, config_name="retrieve", arguments=arguments) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_test_videos_without_labels_leave_a_page_and_a_line(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = places / "half_labeled"
    for name in ("train/dark/0.mp4", "train/dark/1.mp4", "train/long/2.mp4", "val/3.mp4", "val/4.mp4"):
        write_video(root / name, frames=4)
    arguments = command(places, "half_labeled", f"data.root={root}")
    assert run(evaluate, config_name="evaluate", arguments=arguments) == 0
    shown = capsys.readouterr().out
    assert "not all test videos have labels: skipping retrieval, nearest neighbor, linear probe" in shown
    assert "no labels: retrieval, nearest neighbor, linear probe skipped" in " ".join(shown.split())
    record = results(places, "half_labeled")
    assert list(record["metrics"]) == ["rank_me"]  # type: ignore[call-overload]
    assert record["skipped"] == ["retrieval", "nearest neighbor", "linear probe"]
    page = (places / "runs" / "half_labeled" / "retrieval.html").read_text()
    assert "2 queries, each with the most similar of 3 gallery videos." in page
    assert "Neighbors are not marked right or wrong: 2 of 2 queries have no label." in page


def test_files_and_classes_whose_names_are_no_text(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = os.fsencode(places / "odd")
    for split, count in ((b"train", 3), (b"test", 1)):
        for class_name in (b"caf\xe9", b"tea"):
            for number in range(count):
                path = Path(os.fsdecode(b"/".join((root, split, class_name, b"cr\xe8me%d.mp4" % number))))
                made = write_video(places / "odd_source.mp4", frames=4)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(made.read_bytes())
    write_broken(Path(os.fsdecode(root + b"/train/caf\xe9/broken\xe9.mp4")))
    assert run(evaluate, config_name="evaluate", arguments=command(places, "odd", f"data.root={places / 'odd'}")) == 0
    assert "caf\\xe9" in (places / "runs" / "odd" / "retrieval.html").read_text(encoding="utf-8")
    assert set(results(places, "odd")["by_class"]["retrieval_r1"]) == {"caf\\xe9", "tea"}  # type: ignore[index]
    arguments = command(places, "odd_near", f"gallery.root={places / 'odd' / 'train'}", "neighbors=2")
    assert run(retrieve, config_name="retrieve", arguments=arguments) == 0
    assert "broken\\xe9.mp4" in capsys.readouterr().out
    with (places / "runs" / "odd_near" / "neighbors.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert all(Path(line["neighbor"]).is_file() for line in csv.DictReader(file))


def test_real_footage_has_a_feature_or_a_reason(places: Path, real_footage: Path) -> None:
    arguments = command(places, "real", f"data.root={real_footage}", "data.class_folders=false", f"output={places / 'real'}")
    arguments = [part for part in arguments if not part.startswith("decoding")]
    assert run(embed, config_name="embed", arguments=arguments) == 0
    with (places / "real" / "videos.csv").open(newline="", errors="surrogateescape") as file:
        lines = list(csv.DictReader(file))
    features = np.load(places / "real" / "features.npy")
    assert len(lines) > 0
    assert len(features) == sum(line["status"] == "ok" for line in lines)
    assert np.isfinite(features).all()
    assert all(line["status"] == "ok" or line["status"].startswith("broken: ") for line in lines)
