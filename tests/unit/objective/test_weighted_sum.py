from __future__ import annotations

import pytest
import torch
from tests.unit.objective.drawn import unit_rows

from vclr_pl.objective.inter_frame import InterFrame
from vclr_pl.objective.intra_frame import IntraFrame
from vclr_pl.objective.segment_contrast import SegmentContrast
from vclr_pl.objective.temporal_order import TemporalOrder
from vclr_pl.objective.weighted_sum import WeightedSum
from vclr_pl.types import Contrast, InputError, Projections


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
    assert objective.queues == ("inter",)


def test_an_objective_without_terms_is_refused() -> None:
    with pytest.raises(InputError, match="at least one term"):
        WeightedSum(terms={})
