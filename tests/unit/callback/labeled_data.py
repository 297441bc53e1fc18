"""A data module's outside with six small videos in two classes, told apart by their brightness."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch

from vclr_pl.types import BrokenVideo, VideoFrames

BROKEN = BrokenVideo("video_9.mp4", "pyav", "no frames")


def videos(split: str, *, labeled: bool = True, broken: tuple[BrokenVideo, ...] = ()) -> list[VideoFrames]:
    label = torch.tensor([0, 0, 0, 1, 1, 1]) if labeled else torch.full((6,), -1)
    shade = torch.tensor([[1.0, 0.1], [0.9, 0.1], [0.8, 0.1], [0.1, 1.0], [0.1, 0.9], [0.1, 0.8]])
    frames = shade[:, None, :, None, None].expand(6, 2, 2, 4, 4) + (0.01 if split == "test" else 0.0)
    return [VideoFrames(frames=frames, valid=torch.ones(6, 2, dtype=torch.bool), label=label, video_index=torch.arange(6), broken=broken)]


def _chosen(batch: VideoFrames, videos: Sequence[int] | None = None) -> VideoFrames:
    rows = list(range(6) if videos is None else videos)
    return VideoFrames(
        frames=batch.frames[rows],
        valid=batch.valid[rows],
        label=batch.label[rows],
        video_index=batch.video_index[rows],
        broken=batch.broken,
    )


def _copies(chosen: Sequence[int]) -> list[VideoFrames]:
    """Two copies of each video: itself, and a paler one."""
    (batch,) = videos("train")
    frames = torch.stack([batch.frames[video] * shade for video in chosen for shade in (1.0, 0.9)])
    copies = len(frames)
    return [
        VideoFrames(
            frames=frames,
            valid=torch.ones(copies, 2, dtype=torch.bool),
            label=torch.full((copies,), -1),
            video_index=torch.arange(copies),
        )
    ]


class Manifest:
    def __len__(self) -> int:
        return 6

    def path(self, index: int) -> str:
        return f"video_{index}.mp4"


def data(*, has_test: bool = True, labeled: bool = True, broken: tuple[BrokenVideo, ...] = ()) -> Any:
    return SimpleNamespace(
        evaluation_dataloader=lambda split, **chosen: [_chosen(one, **chosen) for one in videos(split, labeled=labeled, broken=broken)],
        copies_dataloader=_copies,
        copies_per_video=2,
        prepare=lambda batch: batch,
        manifest=lambda split: Manifest(),
        class_names=("dark", "light"),
        has_test=has_test,
        labeled=labeled,
        broken_videos=(),
    )
