"""Five hundred files damaged at random: `check` and training agree on each, and none of them ends or stops anything."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.photometry import published_photometry
from tests.unit.data.decoding.ffmpeg_frames import run_ffmpeg

from vclr_pl.data.clip_sampler import SegmentClipSampler
from vclr_pl.data.decoding.auto import AutoDecoder
from vclr_pl.data.decoding.isolated import IsolatedDecoder
from vclr_pl.data.manifest import Manifest
from vclr_pl.data.readability import Readability, check_readability
from vclr_pl.data.transform.contrastive import ContrastiveTransform
from vclr_pl.data.video_dataset import SegmentVideoDataset
from vclr_pl.data.view_assembly import SegmentSample

FILES, SEED, EPOCHS = 500, 7, 2
FRAMES_NEEDED = 6
LIMIT_SECONDS = 60.0
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
    decoder = AutoDecoder(threads=1, short_side_pixels=None)
    return {row.path: row for row in check_readability(paths=paths, decoder=decoder, processes=2, decode_timeout_seconds=LIMIT_SECONDS)}


def test_check_has_a_row_for_each(paths: list[str], rows: dict[str, Readability]) -> None:
    assert set(rows) == set(paths)
    assert 100 < sum(row.is_readable for row in rows.values()) < 450
    assert all(row.is_readable or row.reason for row in rows.values())
    assert not any("decode_timeout_seconds" in row.reason for row in rows.values())


def test_training_reads_what_check_passes_and_names_what_it_replaces(paths: list[str], rows: dict[str, Readability]) -> None:
    decoder = IsolatedDecoder(decoder=AutoDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=LIMIT_SECONDS)
    dataset = SegmentVideoDataset(
        manifest=Manifest.from_pairs([(path, 0) for path in paths]),
        decoder=decoder,
        sampling=SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1),
        transform=ContrastiveTransform(size_pixels=16, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        photometric=published_photometry(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        seed=0,
    )
    refused = {}
    for epoch in range(EPOCHS):
        for index, path in enumerate(paths):
            sample = dataset[epoch, index]
            assert isinstance(sample, SegmentSample)
            named = {video.path: video.reason for video in sample.broken}
            assert sample.video_index == index or path in named
            refused |= named
    unexpected = {Path(path).name: reason for path, reason in refused.items() if rows[path].is_readable}
    assert all(rows[path].frames < FRAMES_NEEDED for path in refused if rows[path].is_readable), unexpected
