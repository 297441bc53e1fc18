from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from tests.reference.objective_loops import order_loss
from tests.unit.objective.drawn import SHAPES

from vclr_pl.objective.temporal_order import TemporalOrder
from vclr_pl.types import Contrast, InputError, Projections


@pytest.mark.parametrize(("videos", "segments", "queue", "dim"), [shape for shape in SHAPES if shape[1] > 2])
@pytest.mark.parametrize("normalize_over", ["segment", "feature"])
def test_agrees_with_the_loop(videos: int, segments: int, queue: int, dim: int, normalize_over: Literal["segment", "feature"]) -> None:
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


def test_two_segments_have_no_order_to_tell() -> None:
    with pytest.raises(InputError, match="3 segments or more"):
        TemporalOrder(weight=1.0, segments=2, dim=2, normalize_over="segment")


def test_another_axis_is_refused() -> None:
    with pytest.raises(ValueError, match="normalize_over"):
        TemporalOrder(weight=1.0, segments=3, dim=2, normalize_over="batch")  # type: ignore[arg-type]
