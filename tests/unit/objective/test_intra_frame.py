from __future__ import annotations

import math

import pytest
import torch
from tests.reference.objective_loops import intra_loss
from tests.unit.objective.drawn import SHAPES, unit_rows

from vclr_pl.objective.intra_frame import IntraFrame
from vclr_pl.types import Contrast, Projections


def loss_of(query: torch.Tensor, keys: torch.Tensor, temperature: float) -> float:
    term = IntraFrame(weight=1.0, temperature=temperature)
    output = term(Projections(by_head={"intra": Contrast(query=query, key=keys)}, order_label=torch.zeros(len(query))))
    return float(output.loss)


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
def test_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int) -> None:
    query, keys = unit_rows(videos, dim, seed=1), unit_rows(segments, videos, dim, seed=2)
    assert loss_of(query, keys, 0.2) == pytest.approx(intra_loss(query.numpy(), keys.numpy(), 0.2), rel=1e-12)


def test_the_published_rows_are_pairs_with_the_positive_first() -> None:
    contrast = Contrast(query=unit_rows(4, 8, seed=1), key=unit_rows(3, 4, 8, seed=2))
    rows = IntraFrame(weight=1.0, temperature=0.1).logits(contrast).stacked()
    similarity = (contrast.query * contrast.key).sum(-1) / 0.1
    expected = [[float(similarity[0, video]), float(similarity[other, video])] for other in (1, 2) for video in range(4)]
    torch.testing.assert_close(rows, torch.tensor(expected, dtype=torch.float64))


def test_frames_as_alike_as_augmentations_give_the_logarithm_of_two() -> None:
    same = unit_rows(1, 4, seed=1)
    assert loss_of(same.expand(3, 4), same.expand(3, 3, 4), 0.1) == pytest.approx(math.log(2), rel=1e-12)
