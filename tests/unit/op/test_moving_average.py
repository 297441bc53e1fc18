from __future__ import annotations

import torch

from vclr_pl.op.moving_average import follow


def test_every_element_moves_by_its_share() -> None:
    own, other = [torch.tensor([1.0, 2.0]), torch.tensor([[4.0]])], [torch.tensor([3.0, 2.0]), torch.tensor([[0.0]])]
    follow(own, other, momentum=0.75)
    assert [tensor.tolist() for tensor in own] == [[1.5, 2.0], [[3.0]]]
    assert other[0].tolist() == [3.0, 2.0]
