"""Stored metrics are reused for the same encoder, videos, options and page, and for nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from vclr_pl.command.evaluation import StoredFigures, stamps
from vclr_pl.config_path import config_folder
from vclr_pl.report.record import ResultRecord
from vclr_pl.types import BrokenVideo, FeatureTable

RECORD = ResultRecord(name="first", metrics={"retrieval_r1": 50.0}, baseline={}, provenance={"seed": 0}, timings_seconds={"total": 1.0})


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An encoder, videos of both splits, their stored features, a page, and a list of videos elsewhere; commands run here."""
    for name in ("encoder/backbone.safetensors", "set/train/a/0.mp4", "set/test/a/0.mp4", "elsewhere/1.mp4", "page.html"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"content")
    for split, videos in (("train", ("set/train/a/0.mp4", "elsewhere/1.mp4")), ("test", ("set/test/a/0.mp4",))):
        (tmp_path / "features" / split).mkdir(parents=True)
        lines = "".join(f"{tmp_path / video},0,a,4,ok,0\n" for video in videos)
        (tmp_path / "features" / split / "videos.csv").write_text(f"path,label,class,frames,status,row\n{lines}")
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        yield tmp_path


def composed(*more: str) -> DictConfig:
    return compose("evaluate", overrides=["encoder=encoder", "data.root=set", "paths.run=run", "paths.features=features", *more])


def table(*broken: BrokenVideo) -> FeatureTable:
    features, number = torch.zeros(1, 2), torch.zeros(1, dtype=torch.long)
    return FeatureTable(features=features, label=number, video_index=number, path=("v",), broken=broken)


def store(place: Path, *broken: BrokenVideo) -> StoredFigures:
    stored = StoredFigures.of(composed())
    assert stored is not None
    features = {split: place / "features" / split for split in ("train", "test")}
    stored.write(RECORD, tables={"train": table(*broken), "test": table()}, features=features, page=place / "page.html")
    return stored


def is_known(*more: str) -> bool:
    stored = StoredFigures.of(composed(*more))
    return stored is not None and stored.read() is not None


def test_the_same_evaluation_is_known_in_any_run_folder(place: Path) -> None:
    assert not is_known()
    stored = store(place)
    known = stored.read()
    assert known is not None
    assert known.record == RECORD
    assert is_known("paths.run=other", "name=other", "recompute=true")


@pytest.mark.parametrize(
    "option",
    [
        "bootstrap.seed=1",
        "seed=1",
        "evaluation=retrieval",
        "protocol.frames=3",
        "decoding=pyav",
        "page.rows=7",
        "momentum=true",
        "encoder=random",
        "data.root=elsewhere",
        "logger=csv",
        "+evaluation.measures.mine={_target_: my_package.Measure}",
    ],
)
def test_other_options_are_not(option: str, place: Path) -> None:
    store(place)
    assert not is_known(option)


@pytest.mark.parametrize("variable", ["WORLD_SIZE", "SLURM_NTASKS"])
def test_processes_that_wait_for_each_other_all_evaluate(variable: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store(place)
    monkeypatch.setenv(variable, "2")
    assert not is_known()


def later(path: Path) -> None:
    stamp = path.stat().st_mtime_ns + 1_000_000
    os.utime(path, ns=(stamp, stamp))


@pytest.mark.parametrize(
    "change",
    [
        lambda place: later(place / "encoder/backbone.safetensors"),
        lambda place: (place / "encoder/other.ckpt").touch(),
        lambda place: later(place / "set/test/a/0.mp4"),
        lambda place: (place / "set/test/a/0.mp4").unlink(),
        lambda place: (place / "set/test/a/1.mp4").touch(),
        lambda place: (place / "set/test/b").mkdir() or (place / "set/test/b/1.mp4").touch(),
        lambda place: later(place / "elsewhere/1.mp4"),
        lambda place: (place / "page.html").unlink(),
        lambda place: (place / "page.html").write_text("of another run"),
        lambda place: (place / "features/test/videos.csv").unlink(),
        lambda place: shutil.copy(place / "features/train/videos.csv", place / "features/test/videos.csv"),
        lambda place: next((place / "features/figures").iterdir()).write_text("{"),
        lambda place: next((place / "features/figures").iterdir()).write_text("{}"),
    ],
)
def test_what_has_changed_is_not(change: Callable[[Path], object], place: Path) -> None:
    store(place)
    change(place)
    assert not is_known()


def test_videos_that_another_try_may_read_are_tried_again(place: Path) -> None:
    store(place, BrokenVideo(path="v", backend="pyav", reason="took too long", is_temporary=True))
    assert not is_known()
    store(place, BrokenVideo(path="v", backend="pyav", reason="no stream"))
    assert is_known()


def test_links_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/0.mp4").write_bytes(b"0")
    (tmp_path / "set/above").symlink_to(tmp_path)
    found = list(stamps(tmp_path / "set"))
    (tmp_path / "1.mp4").write_bytes(b"1")
    assert 0 < len(found) < len(list(stamps(tmp_path / "set")))


def test_a_folder_of_transformers_is_stamped_and_a_name_of_the_hub_is_not_stored(place: Path) -> None:
    (place / "model").mkdir()
    (place / "model" / "model.safetensors").write_bytes(b"content")
    before = StoredFigures.of(composed("encoder=hf:model"))
    (place / "model" / "model.safetensors").write_bytes(b"content of another training")
    after = StoredFigures.of(composed("encoder=hf:model"))
    assert before is not None
    assert after is not None
    assert before.path != after.path
    assert StoredFigures.of(composed("encoder=hf:owner/name")) is None
    assert StoredFigures.of(composed("encoder=hf://owner/name")) is None


def test_figures_of_videos_on_a_server_are_not_stored(place: Path) -> None:
    assert StoredFigures.of(composed()) is not None
    assert StoredFigures.of(composed("data.root=s3://bucket/videos")) is None
