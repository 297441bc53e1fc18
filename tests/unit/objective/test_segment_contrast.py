from __future__ import annotations

import pytest
import torch
from tests.reference.objective_loops import contrast_loss
from tests.unit.objective.drawn import SHAPES, unit_rows

from vclr_pl.objective.segment_contrast import SegmentContrast
from vclr_pl.types import Contrast, Projections


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
def test_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int) -> None:
    query, key, rows = unit_rows(videos, dim, seed=1), unit_rows(videos, dim, seed=2), unit_rows(queue, dim, seed=3)
    output = SegmentContrast(weight=1.0, temperature=0.07)(
        Projections(by_head={"segment": Contrast(query=query, key=key, queue=rows)}, order_label=torch.zeros(videos))
    )
    assert output.loss.item() == pytest.approx(contrast_loss(query.numpy(), key.numpy()[None], rows.numpy(), 0.07), rel=1e-12)


def test_without_a_queue_it_says_so() -> None:
    contrast = Contrast(query=unit_rows(2, 4, seed=1), key=unit_rows(2, 4, seed=2))
    with pytest.raises(ValueError, match="segment term contrasts with a queue"):
        SegmentContrast(weight=1.0, temperature=0.1)(Projections(by_head={"segment": contrast}, order_label=torch.zeros(2)))
