"""A data set's layout: all videos in one folder, named CLASS_NUMBER.mp4."""

from __future__ import annotations

from pathlib import Path

from vclr_pl.datasets.manifest import Manifest, VideoSplits


def numbered_files(*, root: str, test_every: int) -> VideoSplits:
    """The videos of `root`; those whose number `test_every` divides are the test split."""
    train, test = [], []
    for path in sorted(Path(root).glob("*_*.mp4")):
        label, number = path.stem.rsplit("_", 1)
        split = test if int(number) % test_every == 0 else train
        split.append((str(path), label))
    names = tuple(sorted({label for _, label in train + test}))
    return VideoSplits(train=Manifest.from_pairs(train, class_names=names), test=Manifest.from_pairs(test, class_names=names))
