"""The length of a list's videos, from real files; what has no length, and a list that is too long to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.footage import FILES_PER_PIECE, footage_of
from vclr_pl.datasets.manifest import Manifest, ManifestBuilder


def test_lengths_of_files_folders_and_broken_ones(tmp_path: Path) -> None:
    """12, 20 and 30 frames of 25 a second are 0.48, 0.8 and 1.2 s; a folder of frames has no duration."""
    paths = [write_video(tmp_path / f"{frames}{suffix}", frames=frames) for frames, suffix in ((12, ".mp4"), (20, ".avi"), (30, ".mkv"))]
    (tmp_path / "frames").mkdir()
    found = footage_of(Manifest.from_pairs([(str(path), 0) for path in [*paths, tmp_path / "frames", write_broken(tmp_path / "x.mp4")]]))
    assert (found.videos, found.read, found.unreadable) == (5, 5, 1)
    assert found.total_seconds == pytest.approx(2.48, abs=0.05)
    assert found.median_seconds == pytest.approx(0.8, abs=0.02)


def test_a_part_of_a_file_has_its_share(tmp_path: Path) -> None:
    path, builder = write_video(tmp_path / "a.mp4", frames=30), ManifestBuilder(root="")
    for span in ((0.0, 0.25), (0.5, 1.0)):
        builder.add(path, span=span)
    assert footage_of(builder.finish()).total_seconds == pytest.approx(0.9, abs=0.02)


def test_nothing_but_folders_of_frames(tmp_path: Path) -> None:
    found = footage_of(Manifest.from_pairs([(str(tmp_path), 0)]))
    assert (found.read, found.total_seconds, found.median_seconds, found.unreadable) == (1, None, None, 0)


def test_a_long_list_is_sampled(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "a.mp4", frames=25))
    found = footage_of(Manifest.from_pairs([(path, 0)] * 1000), budget_seconds=0.0)
    assert found.read == FILES_PER_PIECE
    assert found.total_seconds == pytest.approx(1000.0, rel=0.02)
