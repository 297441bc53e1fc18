"""What training says of files: which ones it replaces, and why."""

from __future__ import annotations

from collections.abc import Sequence

from tests.color_draws import published_color

from vclr_pl.data.samples import SegmentSample
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.video_dataset import SegmentVideoDataset
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.isolated import IsolatedDecoder
from vclr_pl.video.readability import Readability, check_readability

EPOCHS = 2
FRAMES_NEEDED = 6
LIMIT_SECONDS = 60.0


def checked(paths: Sequence[str]) -> dict[str, Readability]:
    """Each file's row of `check`."""
    decoder = AutoDecoder(threads=1, short_side_pixels=None)
    return {row.path: row for row in check_readability(paths=paths, decoder=decoder, processes=2, decode_timeout_seconds=LIMIT_SECONDS)}


def replaced_by_training(paths: Sequence[str]) -> dict[str, str]:
    """The reason for each file that training names, over some epochs with their own indices; each of the others was used in each."""
    dataset = SegmentVideoDataset(
        manifest=Manifest.from_pairs([(path, 0) for path in paths]),
        decoder=IsolatedDecoder(decoder=AutoDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=LIMIT_SECONDS),
        sampling=SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1),
        transform=ContrastiveTransform(size_pixels=16, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=published_color(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
        seed=0,
    )
    replaced = {}
    for epoch in range(EPOCHS):
        for index, path in enumerate(paths):
            sample = dataset[epoch, index]
            assert isinstance(sample, SegmentSample)
            named = {video.path: video.reason for video in sample.broken}
            assert (sample.video_index == index) != (path in named), path
            replaced |= named
    return replaced


def serves(row: Readability) -> bool:
    """Whether training has to use the file."""
    return row.is_readable and row.frames >= FRAMES_NEEDED


def has_to_be_replaced(row: Readability) -> bool:
    """Whether training cannot use the file; one that breaks off later may serve it or not, by the frames that it draws."""
    return not serves(row) and (row.is_readable or row.frames == 0)
