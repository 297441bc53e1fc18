from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.unit.objective.drawn import unit_rows
from torch import nn

from vclr_pl.objective.contrast import InterFrame, IntraFrame, SegmentContrast
from vclr_pl.objective.temporal_order import TemporalOrder
from vclr_pl.objective.weighted_sum import WeightedSum
from vclr_pl.types import Contrast, InputError, Projections, TermNeeds


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
