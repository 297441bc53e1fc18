"""The temporal shift: part of a frame's channels come from the next frame, part from the one before (TSM, Lin et al. 2019, section 3).

Legend: B videos, S segments, N = B S frames, C channels, H W pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor


def temporal_shift(frames_NCHW: Tensor, *, segments: int, divisor: int) -> Tensor:
    """`[N, C, H, W]` to the same: of the first C // divisor channels each frame shows those of the next frame of its video, of as
    many more those of the frame before, zeros where there is none; the rest stay. Frames of a video follow one another.

    Raises:
        ValueError: when N is no multiple of `segments`.
    """
    frames, channels = frames_NCHW.shape[:2]
    if frames % segments:
        raise ValueError(f"{frames} frames are no whole videos of {segments} segments")
    share = channels // divisor
    earlier_from_later, later_from_earlier, kept = frames_NCHW.split([share, share, channels - 2 * share], dim=1)
    shifted = torch.cat([_from_next(earlier_from_later, segments), _from_previous(later_from_earlier, segments), kept], dim=1)
    if frames_NCHW.dim() == 4 and frames_NCHW.is_contiguous(memory_format=torch.channels_last):
        return shifted.contiguous(memory_format=torch.channels_last)
    return shifted


def _from_next(part_NCHW: Tensor, segments: int) -> Tensor:
    part = part_NCHW.unflatten(0, (-1, segments))
    return torch.cat([part[:, 1:], torch.zeros_like(part[:, :1])], dim=1).flatten(0, 1)


def _from_previous(part_NCHW: Tensor, segments: int) -> Tensor:
    part = part_NCHW.unflatten(0, (-1, segments))
    return torch.cat([torch.zeros_like(part[:, :1]), part[:, :-1]], dim=1).flatten(0, 1)
