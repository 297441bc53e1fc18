"""How videos are shown to a trained encoder: each number as the encoder's file says, unless it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from vclr_pl.embedding.frozen_encoder import FrozenEncoder, load_encoder


class EvaluationProtocol:
    """Loads encoders with their view.

    Args:
        frames: spread over each video.
        crop_pixels, short_side_pixels, mean, std: None for what the encoder was trained with, or, where its file does not say it, for
            the published ones.
        frames_per_clip, frame_stride: of 3D networks, None for what the file says.
    """

    def __init__(
        self,
        *,
        frames: int,
        crop_pixels: int | None,
        short_side_pixels: int | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
        frames_per_clip: int | None,
        frame_stride: int | None,
    ) -> None:
        self.view: dict[str, Any] = {
            "frames": frames,
            "crop_pixels": crop_pixels,
            "short_side_pixels": short_side_pixels,
            "mean": mean,
            "std": std,
            "frames_per_clip": frames_per_clip,
            "frame_stride": frame_stride,
        }

    def load(self, path: str, *, momentum: bool, backbone: nn.Module | None) -> FrozenEncoder:
        """See `load_encoder`."""
        return load_encoder(path, momentum=momentum, backbone=backbone, view=self.view)
