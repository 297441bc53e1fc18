"""The contrastive terms against loops written from the equations."""

from __future__ import annotations

import math

import pytest
import torch
from tests.reference.objective_loops import contrast_loss, intra_loss
from tests.unit.objective.drawn import SHAPES, unit_rows

from vclr_pl.objective.contrast import InterFrame, IntraFrame, SegmentContrast
from vclr_pl.types import Contrast, Projections, TermNeeds


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
@pytest.mark.parametrize("temperature", [0.1, 0.7])
@pytest.mark.parametrize("masked", [False, True])
def test_inter_frame_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int, temperature: float, masked: bool) -> None:
    query, keys, rows = unit_rows(videos, dim, seed=1), unit_rows(segments, videos, dim, seed=2), unit_rows(queue, dim, seed=3)
    own_video = torch.rand(videos, queue, generator=torch.Generator().manual_seed(4)) < 0.3 if masked else None
    contrast = Contrast(query=query, key=keys, queue=rows, own_video=own_video)
    term = InterFrame(weight=1.0, temperature=temperature)
    output = term(Projections(by_head={"inter": contrast}, order_label=torch.zeros(videos)))
    expected = contrast_loss(query.numpy(), keys.numpy(), rows.numpy(), temperature, None if own_video is None else own_video.numpy())
    assert output.loss.item() == pytest.approx(expected, rel=1e-12)


def test_the_published_rows_give_the_same_loss() -> None:
    contrast = Contrast(query=unit_rows(4, 8, seed=1), key=unit_rows(3, 4, 8, seed=2), queue=unit_rows(9, 8, seed=3))
    term = InterFrame(weight=1.0, temperature=0.1)
    rows = term.logits(contrast).stacked()
    assert rows.shape == (12, 10)
    published = torch.nn.functional.cross_entropy(rows, torch.zeros(12, dtype=torch.long))
    output = term(Projections(by_head={"inter": contrast}, order_label=torch.zeros(4)))
    torch.testing.assert_close(output.loss, published, rtol=1e-12, atol=0)


def test_equal_similarities_give_the_logarithm_of_the_choices() -> None:
    """With every key and every negative the same vector, the loss is log(1 + K): what a run starts from."""
    same = unit_rows(1, 8, seed=1)
    contrast = Contrast(query=same.expand(4, 8), key=same.expand(3, 4, 8), queue=same.expand(15, 8))
    output = InterFrame(weight=1.0, temperature=0.1)(Projections(by_head={"inter": contrast}, order_label=torch.zeros(4)))
    assert output.loss.item() == pytest.approx(math.log(16), rel=1e-12)
    assert output.metrics["accuracy"] == 0
    assert output.metrics["batch_similarity"].item() == pytest.approx(1.0)
    assert output.metrics["queue_similarity"].item() == pytest.approx(1.0)


def test_metrics_tell_a_separated_batch() -> None:
    query = torch.eye(4, 8, dtype=torch.float64)
    contrast = Contrast(query=query, key=query.expand(3, 4, 8), queue=torch.eye(8, dtype=torch.float64)[4:])
    metrics = InterFrame(weight=1.0, temperature=0.1)(Projections(by_head={"inter": contrast}, order_label=torch.zeros(4))).metrics
    assert {name: round(value.item(), 6) for name, value in metrics.items()} == {
        "accuracy": 100.0,
        "positive_similarity": 1.0,
        "batch_similarity": 0.0,
        "queue_similarity": 0.0,
        "batch_accuracy": 100.0,
    }


def test_under_autocast_the_loss_is_float32() -> None:
    contrast = Contrast(
        query=unit_rows(4, 8, seed=1).float(), key=unit_rows(3, 4, 8, seed=2).float(), queue=unit_rows(9, 8, seed=3).float()
    )
    term = InterFrame(weight=1.0, temperature=0.1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = term(Projections(by_head={"inter": contrast}, order_label=torch.zeros(4)))
    assert output.loss.dtype == torch.float32


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
def test_segment_contrast_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int) -> None:
    query, key, rows = unit_rows(videos, dim, seed=1), unit_rows(videos, dim, seed=2), unit_rows(queue, dim, seed=3)
    output = SegmentContrast(weight=1.0, temperature=0.07)(
        Projections(by_head={"segment": Contrast(query=query, key=key, queue=rows)}, order_label=torch.zeros(videos))
    )
    assert output.loss.item() == pytest.approx(contrast_loss(query.numpy(), key.numpy()[None], rows.numpy(), 0.07), rel=1e-12)


def test_without_a_queue_it_says_so() -> None:
    contrast = Contrast(query=unit_rows(2, 4, seed=1), key=unit_rows(2, 4, seed=2))
    with pytest.raises(ValueError, match="SegmentContrast needs the rows of the queue segment"):
        SegmentContrast(weight=1.0, temperature=0.1)(Projections(by_head={"segment": contrast}, order_label=torch.zeros(2)))


def test_each_term_declares_what_it_needs() -> None:
    assert InterFrame.needs == TermNeeds(head="inter", head_input="frames", unit_norm=True, queue="inter")
    assert SegmentContrast.needs == TermNeeds(head="segment", head_input="tuple_mean", unit_norm=True, queue="segment")
    assert IntraFrame.needs == TermNeeds(head="intra", head_input="frames", unit_norm=True, queue=None)
    assert (InterFrame.needs.keys_per_video(3), SegmentContrast.needs.keys_per_video(3)) == (3, 1)


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


def loss_of(query: torch.Tensor, keys: torch.Tensor, temperature: float) -> float:
    term = IntraFrame(weight=1.0, temperature=temperature)
    output = term(Projections(by_head={"intra": Contrast(query=query, key=keys)}, order_label=torch.zeros(len(query))))
    return float(output.loss)


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
def test_intra_frame_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int) -> None:
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
