"""Pictures of a real file: their frames, their size, and that they are made once."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.video_fixture import write_broken, write_video

from vclr_pl.datasets.manifest import Manifest
from vclr_pl.features.preview import PreviewMaker
from vclr_pl.types import InputError
from vclr_pl.video.pyav import PyavDecoder


def maker(folder: Path, **figures: int) -> PreviewMaker:
    chosen = {"strip_frames": 3, "preview_frames": 4, "height_pixels": 24, "quality": 80, **figures}
    return PreviewMaker(decoding=PyavDecoder(threads=1, short_side_pixels=None), cache=str(folder / "cache"), workers=0, **chosen)


def levels(picture: Image.Image, frames: int) -> list[int]:
    gray = np.asarray(picture.convert("L"), dtype=float)
    return [round(float(part.mean())) for part in np.split(gray, frames, axis=1)]


def test_a_strip_of_frames_and_an_animation(tmp_path: Path) -> None:
    manifest = Manifest.from_pairs([(str(write_video(tmp_path / "a.mp4", frames=12)), None)])
    made = maker(tmp_path).pictures(manifest, [0])[0]
    strip = Image.open(io.BytesIO(made.strip))
    assert (strip.format, strip.size) == ("WEBP", (3 * 32, 24))
    assert (made.frames, made.width_pixels, made.height_pixels) == (3, 32, 24)
    assert (made.video_width_pixels, made.video_height_pixels) == (64, 48)
    assert levels(strip, 3) == pytest.approx([8 * frame + 4 for frame in (2, 6, 10)], abs=3)
    preview = Image.open(io.BytesIO(made.preview))
    assert (preview.n_frames, preview.size) == (4, (32, 24))
    shown = []
    for frame in range(4):
        preview.seek(frame)
        shown += levels(preview, 1)
        assert preview.info["duration"] == 500
    assert shown == pytest.approx([8 * frame + 4 for frame in (0, 3, 6, 9)], abs=3)


def test_a_short_video_has_fewer_and_a_tall_one_is_no_higher(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2, height=64, width=48)
    made = maker(tmp_path, preview_frames=0).pictures(Manifest.from_pairs([(str(path), None)]), [0])[0]
    assert (made.frames, made.width_pixels, made.height_pixels, made.preview) == (2, 18, 24, b"")


def test_pictures_are_made_once_and_again_for_another_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=12)
    manifest = Manifest.from_pairs([(str(path), None)])
    first = maker(tmp_path).pictures(manifest, [0])[0]
    kept = sorted((tmp_path / "cache").rglob("*.webp"))
    times = [file.stat().st_mtime_ns for file in kept]
    assert maker(tmp_path).pictures(manifest, [0])[0] == first
    assert [file.stat().st_mtime_ns for file in kept] == times
    write_video(path, frames=6)
    assert maker(tmp_path).pictures(manifest, [0])[0] != first


def test_a_broken_video_is_left_out(tmp_path: Path) -> None:
    good, bad = write_video(tmp_path / "a.mp4"), write_broken(tmp_path / "b.mp4")
    manifest = Manifest.from_pairs([(str(bad), None), (str(good), None), (str(tmp_path / "absent.mp4"), None)])
    assert list(maker(tmp_path).pictures(manifest, [2, 1, 0])) == [1]


def test_figures_out_of_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="quality"):
        maker(tmp_path, quality=0)
