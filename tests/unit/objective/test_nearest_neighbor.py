"""Positives from the queue: against a slow loop, in a case done by hand, and beside the segment contrast."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.unit.objective.drawn import SHAPES, unit_rows
from tests.unit.pretrain.built import small_batch, small_module

from vclr_pl.objective.nearest_neighbor import NearestNeighbor
from vclr_pl.objective.terms import SegmentContrast, WeightedSum
from vclr_pl.types import Contrast, Projections, TermOutput


def output_of(contrast: Contrast, *, temperature: float) -> TermOutput:
    term = NearestNeighbor(weight=1.0, temperature=temperature)
    return term(Projections(by_head={"segment": contrast}, order_label=torch.zeros(len(contrast.query))))


def slow_loss(query: np.ndarray, key: np.ndarray, queue: np.ndarray, temperature: float, own: np.ndarray) -> float:
    losses = []
    for video in range(len(query)):
        allowed = [row for row in range(len(queue)) if not own[video, row]]
        nearest = max(allowed, key=lambda row: sum(a * b for a, b in zip(key[video], queue[row], strict=True)))
        scores = {row: math.exp(sum(a * b for a, b in zip(query[video], queue[row], strict=True)) / temperature) for row in allowed}
        losses.append(-math.log(scores[nearest] / sum(scores.values())))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
@pytest.mark.parametrize("masked", [False, True])
def test_it_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int, masked: bool) -> None:
    query, key, rows = unit_rows(videos, dim, seed=1), unit_rows(videos, dim, seed=2), unit_rows(queue, dim, seed=3)
    own_video = torch.rand(videos, queue, generator=torch.Generator().manual_seed(4)) < (0.3 if masked else 0.0)
    output = output_of(Contrast(query=query, key=key, queue=rows, own_video=own_video if masked else None), temperature=0.2)
    assert output.loss.item() == pytest.approx(slow_loss(query.numpy(), key.numpy(), rows.numpy(), 0.2, own_video.numpy()), rel=1e-12)


def hand_made(own_video: torch.Tensor | None = None) -> Contrast:
    key, query = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    rows = torch.tensor([[0.0, 1.0], [0.6, 0.8], [-1.0, 0.0]], dtype=torch.float64)  # 0, 0.6 and -1 to the key; 1, 0.8 and 0 to the query
    return Contrast(query=query, key=key, queue=rows, own_video=own_video)


def test_the_positive_is_the_row_nearest_to_the_key_and_the_other_rows_are_negatives() -> None:
    output = output_of(hand_made(), temperature=0.5)
    assert output.loss.item() == pytest.approx(math.log(1 + math.exp((1.0 - 0.8) / 0.5) + math.exp((0.0 - 0.8) / 0.5)), rel=1e-12)
    assert output.metrics["neighbor_similarity"].item() == pytest.approx(0.6)
    assert output.metrics["positive_similarity"].item() == pytest.approx(0.8)
    assert output.metrics["accuracy"].item() == 0.0  # the first row is nearer to the query


def test_a_row_of_the_own_video_is_neither_positive_nor_negative() -> None:
    output = output_of(hand_made(torch.tensor([[False, True, False]])), temperature=0.5)
    assert output.loss.item() == pytest.approx(math.log(1 + math.exp((0.0 - 1.0) / 0.5)), rel=1e-12)
    assert output.metrics["neighbor_similarity"].item() == pytest.approx(0.0)
    assert output.metrics["accuracy"].item() == 100.0


def test_gradients_are_those_of_a_cross_entropy_over_the_queue() -> None:
    query = unit_rows(3, 4, seed=1).requires_grad_()
    key, rows = unit_rows(3, 4, seed=2), unit_rows(5, 4, seed=3)
    output_of(Contrast(query=query, key=key, queue=rows), temperature=0.1).loss.backward()
    again = query.detach().clone().requires_grad_()
    torch.nn.functional.cross_entropy(again @ rows.t() / 0.1, (key @ rows.t()).argmax(1)).backward()
    torch.testing.assert_close(query.grad, again.grad, rtol=1e-10, atol=1e-12)


def test_logits_leave_the_neighbors_row_out() -> None:
    logits = NearestNeighbor(weight=1.0, temperature=0.5).logits(hand_made())
    torch.testing.assert_close(logits.positive, torch.tensor([[1.6]], dtype=torch.float64))
    torch.testing.assert_close(logits.negative, torch.tensor([[2.0, float("-inf"), 0.0]], dtype=torch.float64))


def test_near_rows_do_not_tie_under_autocast() -> None:
    rows = torch.tensor([[math.cos(0.02), math.sin(0.02)], [math.cos(0.01), math.sin(0.01)]])  # both 1 in bfloat16
    contrast = Contrast(query=torch.tensor([[1.0, 0.0]]), key=torch.tensor([[1.0, 0.0]]), queue=rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = NearestNeighbor(weight=1.0, temperature=0.1).with_neighbors(contrast)
    torch.testing.assert_close(found.key, rows[1:])


def test_it_shares_head_and_queue_with_the_segment_contrast() -> None:
    neighbor, segment = NearestNeighbor(weight=1.0, temperature=0.1), SegmentContrast(weight=1.0, temperature=0.1)
    assert WeightedSum(terms={"nearest_neighbor": neighbor, "segment_contrast": segment}).queues == {"segment": SegmentContrast.needs}
    module = small_module(keep=("segment_contrast",), also={"nearest_neighbor": neighbor})
    assert list(module.queues) == ["segment"]
    module.training_step(small_batch()).backward()
    module.on_after_backward()
    assert int(module.queues["segment"].pointer) == 4
    assert all(parameter.grad is not None for parameter in module.encoder.parameters())
