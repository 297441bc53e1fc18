"""The recognition network: a backbone, the mean over segments, one linear layer (TSN, Wang et al. 2016).

Legend: B videos, S segments, N frames or clips, F features, K classes; `*view` a frame `[C, H, W]` or a clip `[C, T, H, W]`.
"""

from __future__ import annotations

from typing import Any, Self

import torch
from torch import Tensor, nn

from vclr_pl.backbone.declaration import feature_dim_of, normalization_of, takes_clips
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.types import InputError


class RecognitionNetwork(nn.Module):
    """Class logits of frames, and of videos as the mean over their segments.

    Args:
        backbone: `[N, *view]` to `[N, F]`, with `feature_dim`.
        classes: K.
        dropout: probability, before the linear layer.
        dropout_over: `video` drops features of the segments' mean (TSN), `segment` features of each segment (TSM). They differ only in
            training: the mean of the logits is the logit of the mean.
        head_std: of the linear layer's normal initialization; its bias starts at 0.
        shift: the temporal shift of TSM, None for TSN.
        mode: `full` trains the whole network; `linear` only the linear layer, with the backbone's batch norms in evaluation mode.

    Raises:
        InputError: fewer than two classes, a dropout outside [0, 1), or an unknown `dropout_over` or `mode`.
    """

    def __init__(
        self,
        *,
        backbone: Any,
        classes: int,
        dropout: float,
        dropout_over: str,
        head_std: float,
        shift: ResidualShift | None,
        mode: str,
    ) -> None:
        super().__init__()
        _check(classes=classes, dropout=dropout, dropout_over=dropout_over, mode=mode)
        if shift is not None:
            shift.apply(backbone)
        self.shift, self.dropout_over, self.trains_backbone = shift, dropout_over, mode == "full"
        self.takes_clips, self.input_normalization = takes_clips(backbone), normalization_of(backbone)
        self.feature_dim = classes  # the logits are its features, where it is used as a backbone
        self.backbone: nn.Module = backbone
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(feature_dim_of(backbone), classes)
        nn.init.normal_(self.head.weight, std=head_std)
        nn.init.zeros_(self.head.bias)
        self.backbone.requires_grad_(self.trains_backbone)
        self.train()

    @property
    def segments_per_pass(self) -> int:
        """Frames must come in multiples of this, those of one video together."""
        return 1 if self.shift is None else self.shift.segments

    def forward(self, frames: Tensor) -> Tensor:
        """`[N, *view]` to logits `[N, K]`, one frame or clip alone (shifted: whole videos, one after another)."""
        logits_NK: Tensor = self.head(self.dropout(self._pooled(frames)))
        return logits_NK

    def video_logits(self, views: Tensor) -> Tensor:
        """`[B, S, *view]` to logits `[B, K]`: the segments' mean, dropout as published."""
        return self.logits_of(self.video_features(views))

    def video_features(self, views: Tensor) -> Tensor:
        """`[B, S, *view]` to `[B, S, F]` (TSM), or to the segments' mean `[B, 1, F]` (TSN): all that the linear layer needs."""
        features_BSF: Tensor = self._pooled(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        return features_BSF.mean(1, keepdim=True) if self.dropout_over == "video" else features_BSF

    def logits_of(self, features: Tensor) -> Tensor:
        """The result of `video_features` to logits `[B, K]`."""
        logits_BK: Tensor = self.head(self.dropout(features)).mean(1)
        return logits_BK

    def _pooled(self, frames: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.trains_backbone and torch.is_grad_enabled()):
            features_NF: Tensor = self.backbone(frames)
        return features_NF

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if not self.trains_backbone:
            self.backbone.eval()
        return self


def _check(*, classes: int, dropout: float, dropout_over: str, mode: str) -> None:
    if classes < 2:
        raise InputError(expected="videos of at least two classes", got=str(classes), hint="Give data with more classes.")
    if not 0 <= dropout < 1:
        raise InputError(expected="a dropout from 0 to below 1", got=f"recognizer.dropout={dropout}", hint="Set recognizer.dropout=0.5.")
    if dropout_over not in ("video", "segment"):
        raise InputError(
            expected="recognizer.dropout_over to be video or segment", got=dropout_over, hint="Choose video (TSN) or segment (TSM)."
        )
    if mode not in ("full", "linear"):
        raise InputError(
            expected="mode=full (all of the network) or mode=linear (the head on a frozen backbone)",
            got=f"mode={mode}",
            hint="Choose one.",
        )
