"""Windows of untrimmed videos: where they are, that they have no labels, and that localization reads the same files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tests.unit.datasets.demo.test_untrimmed import SETTINGS

from vclr_pl.config_path import config_folder
from vclr_pl.datasets.demo.untrimmed import demo_untrimmed
from vclr_pl.datasets.demo.windows import demo_untrimmed_windows, windows
from vclr_pl.runner.composition import register_resolvers
from vclr_pl.types import InputError


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (180, [(0, 90), (90, 180)]),
        (224, [(0, 90), (90, 180)]),  # 44 frames remain, less than half a window
        (225, [(0, 90), (90, 180), (180, 225)]),
        (90, [(0, 90)]),
    ],
)
def test_windows_follow_each_other(frames: int, expected: list[tuple[int, int]]) -> None:
    assert windows(frames, window_frames=90) == expected


def test_it_lists_the_windows_of_the_training_videos_without_labels(tmp_path: Path) -> None:
    splits = demo_untrimmed_windows(root=tmp_path, window_seconds=6, **vars(SETTINGS))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    annotated = demo_untrimmed(root=tmp_path, **vars(SETTINGS))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")} == files  # nothing is rendered again
    assert splits.test is None
    assert not splits.train.labeled
    listed = {}
    for index in range(len(splits.train)):
        path = splits.train.path(index)
        listed.setdefault(Path(path).stem, []).append(splits.train.frames(index, frame_count=annotated.frames[Path(path).stem]))
    assert listed == {identity: windows(annotated.frames[identity], window_frames=90) for identity in ("training_000", "training_001")}


@pytest.mark.parametrize("name", ["demo", "demo_large"])
def test_the_files_are_those_of_localization(name: str) -> None:
    """The same root, seed and settings, whatever the experiment."""
    register_resolvers()
    with initialize_config_dir(config_dir=str(config_folder()), version_base="1.3"):
        data = compose(
            "train", overrides=["paths.run=run", "experiment=demo", f"data={name.replace('demo', 'demo_untrimmed')}", "seed=3"]
        ).data
        untrimmed = compose("localize", overrides=["paths.run=run", f"untrimmed={name}", "seed=3"]).untrimmed
    for node in (data, untrimmed):
        OmegaConf.set_struct(node, False)
        del node["_target_"]
    assert data.pop("window_seconds") == 6
    assert data.root == untrimmed.root
    assert data == untrimmed


@pytest.mark.parametrize(("name", "value"), [("training_videos", 0), ("seed", -1), ("window_seconds", 0), ("window_seconds", 13)])
def test_figures_out_of_range_are_told(tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(InputError, match=f"data.{name}"):
        demo_untrimmed_windows(**{**vars(SETTINGS), "window_seconds": 6, "root": tmp_path, name: value})
