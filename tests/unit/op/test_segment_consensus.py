from __future__ import annotations

import torch

from vclr_pl.op.segment_consensus import segment_consensus


def test_it_is_the_mean_over_segments() -> None:
    assert segment_consensus(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])).tolist() == [[2.0, 4.0]]
