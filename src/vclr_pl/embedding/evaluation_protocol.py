"""How videos are shown to a trained encoder: each number as the encoder's file says, unless it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from vclr_pl.embedding.frozen_encoder import FrozenEncoder, frozen
from vclr_pl.embedding.loaded_backbone import LoadedBackbone, load_backbone


class EvaluationProtocol:
    """Loads encoders with their view.

    Args:
        frames, crop_pixels, mean, std: None for what the encoder was trained with, or, where its file does not say it, for the published
            ones. The frames are spread over each video.
        short_side_pixels: None for the file's, or, where it does not say it, for 256/224 of the crop; `stored` for no resizing.
        frames_per_clip, frame_stride: of 3D networks, None for what the file says.
    """

    def __init__(
        self,
        *,
        frames: int | None,
        crop_pixels: int | None,
        short_side_pixels: int | str | None,
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
        """For one's own videos; see `load_encoder`."""
        return self.show(self.read(path, momentum=momentum, backbone=backbone), published=False)

    def read(self, path: str, *, momentum: bool, backbone: nn.Module | None) -> LoadedBackbone:
        """See `load_backbone`."""
        return load_backbone(path, momentum=momentum, backbone=backbone)

    def show(self, loaded: LoadedBackbone, *, published: bool) -> FrozenEncoder:
        """See `frozen`."""
        return frozen(loaded, view=self.view, published=published)
