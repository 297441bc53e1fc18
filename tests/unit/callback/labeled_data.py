"""A data module's outside with six small videos in two classes, told apart by their brightness."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch

from vclr_pl.types import BrokenVideo, VideoFrames

BROKEN = BrokenVideo("video_9.mp4", "pyav", "no frames")


def videos(split: str, *, broken: tuple[BrokenVideo, ...] = ()) -> list[VideoFrames]:
    label = torch.tensor([0, 0, 0, 1, 1, 1])
    shade = torch.tensor([[1.0, 0.1], [0.9, 0.1], [0.8, 0.1], [0.1, 1.0], [0.1, 0.9], [0.1, 0.8]])
    frames = shade[:, None, :, None, None].expand(6, 2, 2, 4, 4) + (0.01 if split == "test" else 0.0)
    return [VideoFrames(frames=frames, valid=torch.ones(6, 2, dtype=torch.bool), label=label, video_index=torch.arange(6), broken=broken)]


def data(*, has_test: bool = True, labeled: bool = True, broken: tuple[BrokenVideo, ...] = ()) -> Any:
    return SimpleNamespace(
        evaluation_dataloader=lambda split: videos(split, broken=broken),
        prepare=lambda batch: batch,
        manifest=lambda split: SimpleNamespace(path=lambda index: f"video_{index}.mp4"),
        class_names=("dark", "light"),
        has_test=has_test,
        labeled=labeled,
        broken_videos=(),
    )
