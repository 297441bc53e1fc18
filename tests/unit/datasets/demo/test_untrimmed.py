"""Procedural untrimmed videos: events where the annotations say, the same for equal seeds, kept when there."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from tests.unit.datasets.demo.test_rendering import APPEARANCE

from vclr_pl.datasets.demo.untrimmed import UntrimmedSettings, demo_untrimmed, identities, plan_video, render_video
from vclr_pl.types import InputError
from vclr_pl.video.pyav import PyavDecoder

SETTINGS = UntrimmedSettings(
    seed=3, training_videos=2, validation_videos=1, seconds_range=(12.0, 15.0), size_pixels=32, appearance=APPEARANCE
)


@pytest.mark.parametrize("seed", range(6))
def test_a_plan_fills_its_video_and_holds_an_event(seed: int) -> None:
    settings = UntrimmedSettings(**{**vars(SETTINGS), "seed": seed, "seconds_range": (12.0, 60.0), "training_videos": 20})
    for identity in identities(settings):
        stretches = plan_video(identity, settings)
        assert stretches[0].first == 0
        assert all(one.end == other.first for one, other in itertools.pairwise(stretches))
        assert 12 * 15 <= stretches[-1].end <= 60 * 15
        assert len({stretch.label for stretch in stretches if stretch.is_event}) == 1
        assert all(len(stretch.kinds) in (0, 1, 3) and stretch.end - stretch.first >= 30 for stretch in stretches)


def test_the_set_is_whole_and_kept(tmp_path: Path) -> None:
    options = {**vars(SETTINGS), "root": tmp_path}
    found = demo_untrimmed(**options)
    assert [video.identity for video in found.videos] == ["training_000", "training_001", "validation_000"]
    assert len(found.paths()) == 3
    assert len(found.class_names) == 10
    files = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.mp4"))
    demo_untrimmed(**{**options, "training_videos": 2})
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.mp4")) == files
    with PyavDecoder(threads=1, short_side_pixels=None).open(found.paths()["training_000"]) as reader:
        assert reader.frame_count == found.frames["training_000"]
        assert reader.frame_count / 15 == found.videos[0].duration_seconds
    described = json.loads(next(tmp_path.rglob("settings.json")).read_text())
    assert described["seconds_range"] == [12.0, 15.0]


def test_events_stand_out_of_background(tmp_path: Path) -> None:
    """Objects are brighter in color than any background: the most saturated pixels tell event from background."""
    settings = UntrimmedSettings(**{**vars(SETTINGS), "training_videos": 6, "seconds_range": (20.0, 30.0)})
    inside, outside = [], []
    for identity in identities(settings):
        stretches = plan_video(identity, settings)
        (tmp_path / "one.mp4").write_bytes(render_video(identity, stretches, settings))
        with PyavDecoder(threads=1, short_side_pixels=None).open(tmp_path / "one.mp4") as reader:
            for stretch in stretches:
                frames = reader.frames(range(stretch.first, stretch.end, 10)).float()
                saturation = float((frames.amax(1) - frames.amin(1)).flatten(1).quantile(0.95, dim=1).mean())
                if stretch.is_event:
                    inside.append(saturation)
                elif not stretch.kinds:
                    outside.append(saturation)
    assert np.median(inside) > np.median(outside) + 20


def test_a_video_stays_when_more_are_asked_for() -> None:
    more = UntrimmedSettings(**{**vars(SETTINGS), "training_videos": 9})
    assert plan_video("training_001", more) == plan_video("training_001", SETTINGS)
    assert render_video("validation_000", plan_video("validation_000", more), more) == render_video(
        "validation_000", plan_video("validation_000", SETTINGS), SETTINGS
    )
    assert more.folder_name != SETTINGS.folder_name


@pytest.mark.parametrize(
    ("name", "value"), [("training_videos", 0), ("validation_videos", 0), ("seed", -1), ("seconds_range", (5.0, 30.0)), ("size_pixels", 31)]
)
def test_figures_out_of_range_are_told(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"untrimmed.{name}"):
        demo_untrimmed(**{**vars(SETTINGS), "root": tmp_path, name: value})
