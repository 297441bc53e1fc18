from __future__ import annotations

import torch
from tests.unit.objective.drawn import unit_rows

from vclr_pl.objective.inter_frame import InterFrame
from vclr_pl.objective.segment_contrast import SegmentContrast
from vclr_pl.types import Contrast, Projections


def test_each_term_reads_the_queue_of_its_head() -> None:
    assert (InterFrame(weight=1.0, temperature=0.1).queue, SegmentContrast(weight=1.0, temperature=0.1).queue) == ("inter", "segment")


def test_gradients_reach_the_query_and_neither_keys_nor_queue_need_them() -> None:
    query = unit_rows(3, 4, seed=1).requires_grad_()
    contrast = Contrast(query=query, key=unit_rows(3, 4, seed=2), queue=unit_rows(6, 4, seed=3))
    term = SegmentContrast(weight=1.0, temperature=0.1)
    term(Projections(by_head={"segment": contrast}, order_label=torch.zeros(3))).loss.backward()
    own = query.grad
    rows = query.detach().clone().requires_grad_()
    logits = torch.cat([(rows * contrast.key).sum(1, keepdim=True), rows @ contrast.queue.t()], dim=1) / 0.1
    torch.nn.functional.cross_entropy(logits, torch.zeros(3, dtype=torch.long)).backward()
    torch.testing.assert_close(own, rows.grad, rtol=1e-10, atol=1e-12)
