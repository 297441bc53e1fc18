"""Pooling of the features of a video's frames into one feature of the video.

Legend: T frames or clips, F features of a frame, S segments.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d

from vclr_pl.types import InputError

MEAN_POOLING, SEGMENT_POOLING = "mean", "segments"


@dataclass(frozen=True)
class FramePooling:
    """The mean over all frames (one segment), or the means of S equal segments of the frames, one after another.

    Segment s covers the frames floor(s T / S) to ceil((s + 1) T / S), end exclusive. With fewer frames than segments, frames repeat.
    """

    segments: int

    def __call__(self, features: Tensor) -> Tensor:
        """`[..., T, F]` to `[..., S F]`."""
        if self.segments == 1:
            return features.mean(dim=-2)
        return adaptive_avg_pool1d(features.transpose(-1, -2), self.segments).transpose(-1, -2).flatten(-2)

    @property
    def described(self) -> dict[str, str | int]:
        """The values of `protocol.pooling` and `protocol.pooling_segments`, for a file."""
        if self.segments == 1:
            return {"pooling": MEAN_POOLING}
        return {"pooling": SEGMENT_POOLING, "pooling_segments": self.segments}

    @property
    def in_words(self) -> str:
        """What the feature of a video is."""
        if self.segments == 1:
            return "the average over its frames"
        return f"the averages over {self.segments} equal segments of its frames, one after another"


MEAN = FramePooling(1)


def frame_pooling(*, pooling: str, pooling_segments: int) -> FramePooling:
    """The pooling of the options `protocol.pooling` and `protocol.pooling_segments`.

    Raises:
        InputError: an unknown pooling, or fewer than one segment.
    """
    if pooling not in (MEAN_POOLING, SEGMENT_POOLING):
        raise InputError(
            expected=f"protocol.pooling={MEAN_POOLING} or {SEGMENT_POOLING}", got=pooling, hint=f"Set protocol.pooling={MEAN_POOLING}."
        )
    if pooling_segments < 1:
        raise InputError(
            expected="protocol.pooling_segments of 1 or more", got=str(pooling_segments), hint="Set protocol.pooling_segments=3."
        )
    return FramePooling(pooling_segments) if pooling == SEGMENT_POOLING else MEAN
