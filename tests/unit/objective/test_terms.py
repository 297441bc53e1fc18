"""The terms against loops written from the equations, and their weighted sum."""

from __future__ import annotations

import math
from typing import Any, Literal

import pytest
import torch
from tests.reference.objective_loops import contrast_loss, intra_loss, order_loss
from tests.unit.objective.drawn import SHAPES, unit_rows
from torch import nn

from vclr_pl.objective.terms import InterFrame, IntraFrame, SegmentContrast, TemporalOrder, WeightedSum
from vclr_pl.types import Contrast, InputError, Projections, TermNeeds


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


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
@pytest.mark.parametrize("normalize_over", ["segment", "feature"])
def test_temporal_order_agrees_with_the_loop(
    videos: int, segments: int, queue: int, dim: int, normalize_over: Literal["segment", "feature"]
) -> None:
    term = TemporalOrder(weight=1.0, segments=segments, dim=dim, normalize_over=normalize_over).double()
    generator = torch.Generator().manual_seed(5)
    query, key = (torch.randn(videos, segments, dim, generator=generator, dtype=torch.float64) for _ in range(2))
    label = torch.randint(4, (videos,), generator=generator)
    output = term(Projections(by_head={"order": Contrast(query=query, key=key)}, order_label=label))
    weight, bias = (parameter.detach().numpy() for parameter in term.classifier.parameters())
    expected = order_loss(query.numpy(), key.numpy(), label.numpy(), weight, bias, over_segments=normalize_over == "segment")
    assert output.loss.item() == pytest.approx(expected, rel=1e-12)


def test_a_blank_classifier_gives_the_logarithm_of_four() -> None:
    term = TemporalOrder(weight=1.0, segments=3, dim=2, normalize_over="segment").double()
    torch.nn.init.zeros_(term.classifier.weight)
    torch.nn.init.zeros_(term.classifier.bias)
    features = torch.randn(5, 3, 2, dtype=torch.float64)
    output = term(Projections(by_head={"order": Contrast(query=features, key=features)}, order_label=torch.arange(5) % 4))
    assert output.loss.item() == pytest.approx(math.log(4), rel=1e-12)
    assert output.metrics["accuracy"].item() == pytest.approx(40.0)  # argmax of equal scores is class 0, the label of 2 of 5


def test_another_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="normalize_over"):
        TemporalOrder(weight=1.0, segments=3, dim=2, normalize_over="batch")  # type: ignore[arg-type]


def test_the_total_is_the_weighted_sum_of_the_terms() -> None:
    objective = WeightedSum(
        terms={"segment_contrast": SegmentContrast(weight=0.5, temperature=0.1), "intra_frame": IntraFrame(weight=3.0, temperature=0.2)}
    )
    projections = Projections(
        by_head={
            "segment": Contrast(query=unit_rows(3, 4, seed=1), key=unit_rows(3, 4, seed=2), queue=unit_rows(5, 4, seed=3)),
            "intra": Contrast(query=unit_rows(3, 4, seed=4), key=unit_rows(3, 3, 4, seed=5)),
        },
        order_label=torch.zeros(3),
    )
    outcome = objective(projections)
    expected = 0.5 * outcome.terms["segment_contrast"].loss + 3.0 * outcome.terms["intra_frame"].loss
    torch.testing.assert_close(outcome.total, expected, rtol=1e-14, atol=0)


def test_heads_and_queues_are_those_that_the_terms_read() -> None:
    objective = WeightedSum(
        terms={
            "inter_frame": InterFrame(weight=1.0, temperature=0.1),
            "temporal_order": TemporalOrder(weight=1.0, segments=3, dim=4, normalize_over="segment"),
        }
    )
    assert objective.heads == ("inter", "order")
    assert objective.queues == {"inter": InterFrame.needs}


def test_an_objective_without_terms_is_refused() -> None:
    with pytest.raises(InputError, match="at least one term"):
        WeightedSum(terms={})


class Reads(nn.Module):
    """A term that does nothing but declare."""

    weight = 1.0

    def __init__(self, **needs: Any) -> None:
        super().__init__()
        self.needs = TermNeeds(**({"head": "shared", "head_input": "frames", "unit_norm": True} | needs))


@pytest.mark.parametrize("first", [Reads(queue="kept"), Reads()])
def test_terms_may_share_a_head_and_its_queue(first: Reads) -> None:
    objective = WeightedSum(terms={"one": first, "two": Reads(queue="kept"), "three": Reads()})
    assert objective.heads == ("shared",)
    assert list(objective.queues) == ["kept"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"head_input": "tuple"}, r"the head shared in one way.*head_input='tuple'.*of two"),
        ({"unit_norm": False}, r"the head shared in one way.*unit_norm=False.*of two"),
        ({"queue": "other"}, r"the head shared in one way.*queue='other'.*of two"),
        ({"head": "another", "queue": "kept"}, "the keys of one head; got kept with those of several"),
    ],
)
def test_terms_that_contradict_each_other_are_refused(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        WeightedSum(terms={"one": Reads(queue="kept"), "two": Reads(**change)})


def test_a_term_that_declares_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"objective\.terms\.mine; got Identity without it"):
        WeightedSum(terms={"mine": nn.Identity()})


@pytest.mark.parametrize("weight", [None, "1.0"])
def test_a_term_without_a_weight_is_refused(weight: object) -> None:
    term = Reads()
    term.weight = weight  # type: ignore[assignment]
    with pytest.raises(InputError, match=r"a number, at objective\.terms\.mine; got Reads with weight="):
        WeightedSum(terms={"mine": term})
