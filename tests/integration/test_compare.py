"""`python -m vclr_pl.compare` on small videos: its table, its use of stored features, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from tests.unit.features.pretrained_file import write_run
from tests.video_fixture import write_broken, write_video

import vclr_pl
from vclr_pl.command.comparison import choices_of, shared_videos
from vclr_pl.command.measures import OWN
from vclr_pl.compare import compare
from vclr_pl.evaluate import evaluate
from vclr_pl.report.__main__ import main as report
from vclr_pl.runner.run import run
from vclr_pl.train import train
from vclr_pl.types import FeatureTable, InputError

SMALL = ["backbone=small_resnet", "backbone.widths=[4,8]", "backbone.stem_stride=2"]
QUICK = ["trainer=cpu", "loader.workers=0", "protocol.frames=4", "protocol.crop_pixels=32", "decoding=pyav", "bootstrap.resamples=50"]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`run/`, an encoder; `set/train` and `set/test`, two classes; `set/test/long/bad.mp4` is broken."""
    folder = tmp_path_factory.mktemp("comparison")
    write_run(folder / "run")
    for split, count in (("train", 5), ("test", 3)):
        for number in range(count):
            write_video(folder / "set" / split / "dark" / f"{number}.mp4", frames=4 + number)
            write_video(folder / "set" / split / "long" / f"{number}.mp4", frames=24 + number)
    write_broken(folder / "set" / "test" / "long" / "bad.mp4")
    return folder


def words(places: Path, name: str, *more: str) -> list[str]:
    return [f"paths.data={places / 'kept'}", f"hydra.run.dir={places / 'runs' / name}", f"data.root={places / 'set'}", *QUICK, *more]


def command(places: Path, name: str, *more: str) -> int:
    return run(compare, config_name="compare", arguments=words(places, name, *more))


def results(places: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((places / "runs" / name / "results.json").read_text())
    return found


def test_one_table_by_the_measures_of_evaluate_and_its_features(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, encoder in (("of_run", f"encoder={places / 'run'}"), ("of_random", "encoder=random")):
        more = SMALL if name == "of_random" else []
        assert run(evaluate, config_name="evaluate", arguments=words(places, name, encoder, *more, "page=null")) == 0
    capsys.readouterr()
    assert command(places, "both", f"encoders=[random,{places / 'run'}]", "poolings=[mean,segments]", *SMALL) == 0
    told = capsys.readouterr().out
    assert told.count("kept in") == 4  # of the means of both encoders, by evaluate
    assert "1 of the 7 test videos are left out for all encoders: they cannot be read" in told
    found = results(places, "both")
    names = ["random, mean", "random, segments", "comparison0/run, mean", "comparison0/run, segments"]
    assert [record["name"] for record in found["encoders"]] == names
    for place, name in ((0, "of_random"), (2, "of_run")):
        alone = results(places, name)
        assert found["encoders"][place]["metrics"] == alone["metrics"]
        assert found["encoders"][place]["intervals"] == alone["intervals"]
        assert (found["encoders"][place]["outcomes"], found["encoders"][place]["choices"]) == (alone["outcomes"], alone["choices"])
    assert found["name"] == "compare"
    assert alone["choices"] == {"data": "folder", "task": "set"}
    outcomes = [record["outcomes"] for record in found["encoders"]]
    assert {metric: len(text) for metric, text in outcomes[1]["values"].items()} == {"retrieval_r1": 6, "knn_top1": 6, "linear_top1": 6}
    assert len({of["queries"] for of in outcomes}) == 1
    for record in found["encoders"]:
        for metric, text in record["outcomes"]["values"].items():
            assert 100 * text.count("1") / 6 == pytest.approx(record["metrics"][metric])
    first, other = found["encoders"][0]["metrics"], found["encoders"][2]["metrics"]
    assert found["differences"][0] == {}
    for metric, (points, low, high) in found["differences"][2].items():
        assert points == pytest.approx(other[metric] - first[metric])
        assert low - 1e-9 <= points <= high + 1e-9
    facts = [record["encoder"] for record in found["encoders"]]
    assert [one["feature_dim"] for one in facts] == [8, 24, 8, 24]
    assert facts[0]["parameters"] == facts[2]["parameters"] > 500
    assert [one["videos_per_second"] is None for one in facts] == [True, False, True, False]
    assert (found["gallery"], found["queries"]) == (10, 6)


def test_the_csv_file_the_page_and_the_report(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(places, "named", f"encoders={{my own: {places / 'run'}, chance: random}}", *SMALL) == 0
    folder, found = places / "runs" / "named", results(places, "named")
    with (folder / "compare.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["encoder"] for line in lines] == ["my own", "chance"]
    assert float(lines[1]["knn_top1"]) == pytest.approx(found["encoders"][1]["metrics"]["knn_top1"], abs=1e-4)
    difference = [float(lines[1][f"knn_top1_difference{end}"]) for end in ("", "_low", "_high")]
    assert difference == pytest.approx(found["differences"][1]["knn_top1"], abs=1e-4)
    assert lines[0]["knn_top1_difference"] == ""
    page = (folder / "compare.html").read_text()
    assert "difference from “my own” in points" in page
    assert "6 videos as queries, 10 videos as the gallery" in page
    capsys.readouterr()
    assert report([str(folder)]) == 0
    assert "named: chance" in capsys.readouterr().out


def test_an_encoder_that_does_not_load_ends_the_command_before_any_video_is_read(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = sorted((places / "kept").rglob("features.json"))
    new = ["protocol.frames=3", f"encoders=[{places / 'run'},{places / 'absent.pth'}]"]
    assert command(places, "absent", *new) == 2
    told = capsys.readouterr()
    (line,) = told.err.splitlines()
    assert "absent.pth" in line
    assert "read " not in told.out
    assert sorted((places / "kept").rglob("features.json")) == kept
    assert command(places, "none", "encoders=[]") == 2
    assert "expected encoders=[A,B] or encoders={NAME: A, NAME: B}; got none" in capsys.readouterr().err
    assert command(places, "random", "encoders=[random]") == 2
    assert "a network for encoder=random" in capsys.readouterr().err


def test_a_video_that_one_encoder_cannot_read_is_left_out_for_all() -> None:
    def of(videos: list[int]) -> FeatureTable:
        index = torch.tensor(videos)
        paths = tuple(f"{video}.mp4" for video in videos)
        return FeatureTable(features=index[:, None].float(), label=index * 0, video_index=index, path=paths)

    tables = [{OWN: {"train": of([0, 1, 3])}, 16: {"train": of([0, 1, 2, 3])}}, {OWN: {"train": of([1, 2, 3])}}]
    shared = shared_videos(tables, lists={"train": range(4)})  # type: ignore[dict-item]
    for encoder in shared:
        for found in encoder.values():
            assert found["train"].video_index.tolist() == [1, 3]
            assert found["train"].features.tolist() == [[1.0], [3.0]]
    with pytest.raises(InputError, match="training videos that every encoder can read; got none"):
        shared_videos([{OWN: {"train": of([0])}}, {OWN: {"train": of([1])}}], lists={"train": range(4)})  # type: ignore[dict-item]


def test_without_labels_encoders_are_described(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = [f"data.root={places / 'set' / 'train' / 'dark'}", "data.class_folders=false", f"encoders=[{places / 'run'}]"]
    assert command(places, "unlabeled", *more) == 0
    told = capsys.readouterr().out
    assert "skipping retrieval, nearest neighbor, linear probe" in told
    assert "5 videos, not all with labels: retrieval, nearest neighbor, linear probe skipped." in told
    page = (places / "runs" / "unlabeled" / "compare.html").read_text()
    assert "5 videos. Not all of them have labels: retrieval, nearest neighbor, linear probe skipped." in page
    assert "RankMe (dimensions)" in page
    assert "(percent)" not in page
    assert "as queries" not in page
    assert list(results(places, "unlabeled")["encoders"][0]["metrics"]) == ["rank_me"]


def test_the_attentive_probe_reads_frame_features(places: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probe = ["evaluation=[retrieval,attentive_probe]", "evaluation.measures.attentive_probe.segments=4"]
    probe += ["evaluation.measures.attentive_probe.epochs=2", "evaluation.measures.attentive_probe.width=8"]
    assert command(places, "attentive", f"encoders=[random,{places / 'run'}]", *SMALL, *probe) == 0
    found = results(places, "attentive")
    assert {"retrieval_r1", "attentive_top1"} <= set(found["encoders"][1]["metrics"])
    assert "attentive_top1" in found["differences"][1]
    assert set(found["encoders"][1]["outcomes"]["values"]) == {"retrieval_r1", "attentive_top1"}
    assert [record["encoder"]["feature_dim"] for record in found["encoders"]] == [8, 8]
    widths = {np.load(path, mmap_mode="r").shape[1] for path in (places / "kept").rglob("features.npy")}
    assert 4 * 8 in widths
    capsys.readouterr()
    alone = words(places, "attentive_alone", f"encoder={places / 'run'}", "page=null", *probe)
    assert run(evaluate, config_name="evaluate", arguments=alone) == 0
    assert capsys.readouterr().out.count("kept in") == 4  # the means and the frame features of both splits
    assert results(places, "attentive_alone")["metrics"] == found["encoders"][1]["metrics"]
    assert run(train, config_name="train", arguments=["evaluation=attentive_probe", f"hydra.run.dir={places / 'runs' / 'trained'}"]) == 2
    assert "expected measures on mean features in training; got evaluation=attentive_probe" in capsys.readouterr().err


def test_from_python(places: Path) -> None:
    quick = {"trainer": "cpu", "loader": {"workers": 0}, "protocol": {"frames": 4, "crop_pixels": 32}, "decoding": "pyav"}
    paths = {"paths.data": str(places / "kept"), "paths.runs": str(places / "runs")}
    found = vclr_pl.compare(encoders={"a": places / "run", "b": places / "run"}, data={"root": str(places / "set")}, **quick, **paths)
    assert set(found.metrics) == {"a", "b"}
    assert found.metrics["a"] == found.metrics["b"]
    with_intervals = len(found.metrics["a"]) - 1  # RankMe has no value of each query
    assert np.array(list(found.differences["b"].values())).tolist() == [[0.0, 0.0, 0.0]] * with_intervals
    assert found.table.is_file()
    assert found.page.is_file()


def test_one_pooling_may_be_a_word() -> None:
    config = OmegaConf.create({"encoders": ["a", "b"], "poolings": "segments", "protocol": {"pooling": None}})
    assert [(entry.name, entry.choice.pooling) for entry in choices_of(config)] == [("a", "segments"), ("b", "segments")]
