"""Features by which a copy of a video is found: of the whole frames, of their mirror image, and of parts of them.

The features of a mirrored or cropped copy equal those of the mirrored or cropped original. So each video is described by its
frames, their mirror image, and the crops that keep nine tenths of each side: the center and the four corners.

Legend: N frames or clips, C channels, t frames of a clip, H W pixels, V views, F features of the network.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import feature_dim_of
from vclr_pl.features.encoder import FrozenEncoder

KEPT = 0.9  # of each side, in a crop
VIEWS = 7


class CopyViews(nn.Module):
    """`backbone` on each view of a frame or clip: `[N, C, H, W]` or `[N, C, t, H, W]` to `[N, V F]`, the whole frame first."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_dim = VIEWS * feature_dim_of(backbone)

    def forward(self, frames: Tensor) -> Tensor:
        return torch.cat([self.backbone(view) for view in views(frames)], dim=1)

    def extra_repr(self) -> str:
        return f"views={VIEWS}, kept={KEPT}"  # part of the encoder's digest


def views(frames: Tensor) -> Iterator[Tensor]:
    """The V views of `[N, C, H, W]` or `[N, C, t, H, W]`, each of the size of `frames`."""
    yield frames
    yield frames.flip(-1)
    height, width = frames.shape[-2:]
    tall, wide = max(1, round(KEPT * height)), max(1, round(KEPT * width))
    down, right = height - tall, width - wide
    for top, left in ((down // 2, right // 2), (0, 0), (0, right), (down, 0), (down, right)):
        yield _enlarged(frames[..., top : top + tall, left : left + wide], height=height, width=width)


def _enlarged(frames: Tensor, *, height: int, width: int) -> Tensor:
    pictures = frames if frames.dim() == 4 else frames.transpose(1, 2).flatten(0, 1)
    large = nn.functional.interpolate(pictures, size=(height, width), mode="bilinear", align_corners=False)
    if frames.dim() == 5:
        large = large.unflatten(0, (len(frames), -1)).transpose(1, 2)
    return large.contiguous(memory_format=torch.channels_last) if frames.dim() == 4 else large


def with_copy_views(encoder: FrozenEncoder) -> FrozenEncoder:
    """The encoder whose features are those of all views, `[B, V F]`."""
    return FrozenEncoder(
        backbone=CopyViews(encoder.backbone),
        view=encoder.view,
        frames_per_clip=encoder.frames_per_clip,
        frame_stride=encoder.frame_stride,
        origin=encoder.origin,
    )
