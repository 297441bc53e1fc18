"""Five hundred files damaged at random: `check` and training agree on each, and none of them ends or stops anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.integration.training_read import checked, replaced_by_training, serves
from tests.unit.video.ffmpeg_frames import run_ffmpeg

from vclr_pl.video.readability import Readability

FILES, SEED = 500, 7
H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "8")
KINDS = {
    "b_frames.mp4": H264,
    "plain.mp4": (*H264, "-bf", "0"),
    "h264.mkv": H264,
    "mpeg4.avi": ("-c:v", "mpeg4", "-g", "8"),
    "h264.avi": H264,
    "vp8.webm": ("-c:v", "libvpx", "-deadline", "realtime", "-g", "8"),
    "h264.ts": H264,
    "mpeg2.ts": ("-c:v", "mpeg2video", "-bf", "2"),
    "mpeg2.mpg": ("-c:v", "mpeg2video", "-bf", "2"),
    "h264.flv": H264,
    "wmv2.wmv": ("-c:v", "wmv2"),
    "v.gif": ("-pix_fmt", "rgb8"),
}


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, ffmpeg: str) -> list[str]:
    folder = tmp_path_factory.mktemp("damaged")
    whole = []
    for name, options in KINDS.items():
        run_ffmpeg(ffmpeg, "-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=1.2", *options, folder / name)
        whole.append(folder / name)
    generator = np.random.default_rng(SEED)
    damaged = [folder / f"{number:03}_{whole[number % len(whole)].name}" for number in range(FILES)]
    for number, path in enumerate(damaged):
        path.write_bytes(_damaged(whole[number % len(whole)].read_bytes(), generator))
    return [str(path) for path in damaged]


def _damaged(content: bytes, generator: np.random.Generator) -> bytes:
    """Cut off, with some bytes changed, with a stretch of noise, or with a stretch left out."""
    kind, start = int(generator.integers(4)), int(generator.integers(1, len(content)))
    changed = bytearray(content)
    if kind == 0:
        del changed[start:]
    elif kind == 1:
        for place in generator.integers(len(changed), size=int(generator.integers(1, 20))):
            changed[place] = int(generator.integers(256))
    elif kind == 2:
        noise = generator.integers(0, 256, min(int(generator.integers(1, 2000)), len(changed) - start), dtype=np.uint8)
        changed[start : start + len(noise)] = noise.tobytes()
    else:
        del changed[start : start + int(generator.integers(1, 500))]
    return bytes(changed)


@pytest.fixture(scope="module")
def rows(paths: list[str]) -> dict[str, Readability]:
    return checked(paths)


def test_check_has_a_row_for_each(paths: list[str], rows: dict[str, Readability]) -> None:
    assert set(rows) == set(paths)
    assert 100 < sum(row.is_readable for row in rows.values()) < 450
    assert all(row.is_readable or row.reason for row in rows.values())
    assert not any("decode_timeout_seconds" in row.reason for row in rows.values())


def test_training_reads_what_check_passes_and_names_what_it_replaces(paths: list[str], rows: dict[str, Readability]) -> None:
    replaced = replaced_by_training(paths)
    assert {Path(path).name: reason for path, reason in replaced.items() if serves(rows[path])} == {}
