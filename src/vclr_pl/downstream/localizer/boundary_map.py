"""What the network shall say of a video: where actions start and end, and how well each stretch fits one.

Legend: B videos, T positions, D durations and S starts (both T), A true segments of a video; a segment is (start, end) as fractions of
the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vclr_pl.op.temporal_iou import overlap_fraction, temporal_iou

ANCHOR_OFFSETS = (-0.5, 1.5)  # an anchor of position i reaches from (i - 0.5) / T to (i + 1.5) / T


@dataclass(frozen=True)
class BoundaryLabels:
    """float32: tIoU of each cell with the best true segment, and how much of each anchor is boundary.

    The map holds the cells that end outside the video too, as published; the losses leave them out.
    """

    tiou: Tensor  # [B, D, S]
    start: Tensor  # [B, T]
    end: Tensor  # [B, T]


class BoundaryMap(nn.Module):
    """Labels of batches; anchors and cells are made once.

    Args:
        positions: T.
        window_positions: width of the stretch around a true boundary that counts as boundary, in positions (published: 3).
    """

    def __init__(self, *, positions: int, window_positions: float) -> None:
        super().__init__()
        self.positions, self.window_positions = positions, window_positions
        step = torch.arange(positions, dtype=torch.float64)
        duration, start = torch.meshgrid(step, step, indexing="ij")
        first = start * (1.0 / positions)
        cells_C2 = torch.stack([first, first + (duration + 1) * (1.0 / positions)], dim=-1).flatten(0, 1)
        anchors_T2 = torch.stack([(step + offset) * (1.0 / positions) for offset in ANCHOR_OFFSETS], dim=-1)
        self.register_buffer("cells_C2", cells_C2, persistent=False)
        self.register_buffer("anchors_T2", anchors_T2, persistent=False)

    def forward(self, segments: Sequence[Tensor]) -> BoundaryLabels:
        """True segments `[A, 2]` of each video, A from 0 on; computed in float64, given in float32."""
        anchors_T2 = self.get_buffer("anchors_T2").double()
        labels = [self._of_video(segments_A2.to(anchors_T2)) for segments_A2 in segments]
        tiou, start, end = (torch.stack(parts).float() for parts in zip(*labels, strict=True))
        return BoundaryLabels(tiou=tiou, start=start, end=end)

    def _of_video(self, segments_A2: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells_C2, anchors_T2 = self.get_buffer("cells_C2").double(), self.get_buffer("anchors_T2").double()
        if not len(segments_A2):
            nothing_T = anchors_T2.new_zeros(self.positions)
            return nothing_T.expand(self.positions, -1), nothing_T, nothing_T
        tiou_C = temporal_iou(first_M2=cells_C2, second_N2=segments_A2).amax(dim=1)
        half = self.window_positions * (1.0 / self.positions) / 2
        around = [torch.stack([boundary_A - half, boundary_A + half], dim=1) for boundary_A in segments_A2.unbind(dim=1)]
        start_T, end_T = (overlap_fraction(first_M2=anchors_T2, second_N2=window_A2).amax(dim=1) for window_A2 in around)
        return tiou_C.reshape(self.positions, self.positions), start_T, end_T
