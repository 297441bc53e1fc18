"""Intervals by the bootstrap over videos: how far a figure would move with other test videos of the same kind.

Legend: Q queries, R resamples, r resamples of a block, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vclr_pl.evaluation.query_scores import QueryScores
from vclr_pl.types import InputError

WEIGHTS_PER_BLOCK = 4_000_000  # 32 MB of float64


class Bootstrap:
    """The percentile interval (Efron 1979): queries are drawn with replacement, the gallery and the encoder stay.

    Args:
        resamples: R.
        level_percent: of the interval, for instance 95.
        seed: of the draws.

    Raises:
        InputError: a figure out of range.
    """

    def __init__(self, *, resamples: int, level_percent: float, seed: int) -> None:
        self.resamples, self.level_percent, self.seed = resamples, level_percent, seed
        if resamples < 1 or not 0 < level_percent < 100:
            raise InputError(
                expected="bootstrap.resamples of 1 or more and a level_percent between 0 and 100",
                got=f"resamples={resamples}, level_percent={level_percent}",
                remedy="Set for instance bootstrap.resamples=2000 bootstrap.level_percent=95.",
            )

    def intervals(self, scores: QueryScores) -> dict[str, tuple[float, float]]:
        """`(low, high)` in percent of each metric of `scores`. In the class mean, a class that a resample misses does not count."""
        names = list(scores.values)
        values_QM = torch.stack([scores.values[name].double() for name in names], dim=1)
        queries = len(scores.label)
        generator = torch.Generator().manual_seed(self.seed)
        found: dict[str, list[Tensor]] = {name: [] for name in (*names, *([scores.class_mean] if scores.class_mean else []))}
        for start in range(0, self.resamples, block := max(1, WEIGHTS_PER_BLOCK // queries)):
            weight_rQ = _draw(min(block, self.resamples - start), queries, generator)
            means_rM = weight_rQ @ values_QM / queries
            for place, name in enumerate(names):
                found[name].append(means_rM[:, place])
            if scores.class_mean is not None:
                sums_rC, counts_rC = scores.class_sums(weight_rQ)
                present_rC = counts_rC > 0
                shares_rC = torch.where(present_rC, sums_rC / counts_rC.clamp(min=1), 0)
                found[scores.class_mean].append(shares_rC.sum(dim=1) / present_rC.sum(dim=1))
        tail = (1 - self.level_percent / 100) / 2
        ends = torch.tensor([tail, 1 - tail], dtype=torch.float64)
        return {name: _pair(100 * torch.quantile(torch.cat(parts), ends)) for name, parts in found.items()}


def _draw(resamples: int, queries: int, generator: torch.Generator) -> Tensor:
    """`[r, Q]` float64: how often each resample holds each query."""
    drawn_rQ = torch.randint(queries, (resamples, queries), generator=generator)
    drawn_rQ += torch.arange(resamples)[:, None] * queries
    return torch.bincount(drawn_rQ.flatten(), minlength=resamples * queries).reshape(resamples, queries).double()


def _pair(ends: Tensor) -> tuple[float, float]:
    low, high = ends.tolist()
    return low, high
