"""The interval against its formula, against a loop, and its class mean."""

from __future__ import annotations

import math

import pytest
import torch

from vclr_pl.evaluation import bootstrap as module
from vclr_pl.evaluation.bootstrap import Bootstrap
from vclr_pl.evaluation.query_scores import QueryScores
from vclr_pl.types import InputError


def scores_of(right: list[int], label: list[int]) -> QueryScores:
    return QueryScores(label=torch.tensor(label), values={"top1": torch.tensor(right).double()}, class_mean="mean_class", of_class="top1")


def test_of_a_share_it_is_the_normal_interval() -> None:
    right = [1] * 300 + [0] * 100
    low, high = Bootstrap(resamples=4000, level_percent=95, seed=0).intervals(scores_of(right, [0] * 400))["top1"]
    half = 100 * 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == (pytest.approx(75 - half, abs=0.4), pytest.approx(75 + half, abs=0.4))


def test_equal_to_a_loop_over_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WEIGHTS_PER_BLOCK", 10**9)
    right, label = [1, 0, 1, 1, 0, 0, 1], [0, 0, 1, 1, 1, 2, 0]
    found = Bootstrap(resamples=50, level_percent=80, seed=3).intervals(scores_of(right, label))
    drawn = torch.randint(7, (50, 7), generator=torch.Generator().manual_seed(3)).tolist()
    tops = [100 * sum(right[row] for row in rows) / 7 for rows in drawn]
    means = []
    for rows in drawn:
        shares = [[right[row] for row in rows if label[row] == one] for one in sorted({label[row] for row in rows})]
        means.append(100 * sum(sum(share) / len(share) for share in shares) / len(shares))
    for name, values in (("top1", tops), ("mean_class", means)):
        ends = torch.quantile(torch.tensor(values).double(), torch.tensor([0.1, 0.9]).double())
        assert found[name] == pytest.approx(ends.tolist())


def test_the_same_seed_gives_the_same_interval_and_all_right_is_certain() -> None:
    scores = scores_of([1, 0, 1, 0, 1], [0, 0, 1, 1, 1])
    assert Bootstrap(resamples=99, level_percent=95, seed=1).intervals(scores) == Bootstrap(
        resamples=99, level_percent=95, seed=1
    ).intervals(scores)
    assert Bootstrap(resamples=99, level_percent=95, seed=1).intervals(scores_of([1] * 5, [0] * 5))["top1"] == (100.0, 100.0)


@pytest.mark.parametrize(("resamples", "level"), [(0, 95), (10, 0), (10, 100)])
def test_figures_out_of_range_are_refused(resamples: int, level: float) -> None:
    with pytest.raises(InputError, match="resamples"):
        Bootstrap(resamples=resamples, level_percent=level, seed=0)
