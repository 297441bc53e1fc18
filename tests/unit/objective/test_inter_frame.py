from __future__ import annotations

import math

import pytest
import torch
from tests.reference.objective_loops import contrast_loss
from tests.unit.objective.drawn import SHAPES, unit_rows

from vclr_pl.objective.inter_frame import InterFrame
from vclr_pl.types import Contrast, Projections


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), SHAPES)
@pytest.mark.parametrize("temperature", [0.1, 0.7])
@pytest.mark.parametrize("masked", [False, True])
def test_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int, temperature: float, masked: bool) -> None:
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
