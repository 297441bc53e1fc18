"""Facts of files whose size and length are known."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.video_fixture import write_broken, write_video

from vclr_pl.command.video_facts import video_facts
from vclr_pl.datasets.manifest import Manifest, ManifestBuilder
from vclr_pl.evaluation.duplicate_groups import VideoFacts
from vclr_pl.video.pyav import PyavDecoder

DECODER = PyavDecoder(threads=1, short_side_pixels=None)


def listed(path: Path, *, span: tuple[float, float] | None = None) -> Manifest:
    builder = ManifestBuilder(root=str(path.parent))
    builder.add(path, span=span)
    return builder.finish()


def test_size_length_and_bit_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=25)
    with DECODER.open(path) as reader:
        height, width = reader.frames([0]).shape[-2:]
    found = video_facts(listed(path), 0, decoder=DECODER)
    assert (found.width, found.height) == (width, height)
    assert found.seconds > 0
    assert found.kilobits_per_second == round(8 * path.stat().st_size / found.seconds / 1000)
    half = video_facts(listed(path, span=(0.5, 1.0)), 0, decoder=DECODER)
    assert (half.seconds, half.kilobits_per_second) == (pytest.approx(found.seconds / 2), found.kilobits_per_second)


def test_what_cannot_be_read_is_zero(tmp_path: Path) -> None:
    write_broken(tmp_path / "bad.mp4")
    for name in ("bad.mp4", "absent.mp4"):
        assert video_facts(listed(tmp_path / name), 0, decoder=DECODER) == VideoFacts()
