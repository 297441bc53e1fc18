"""Results of a run beside its baseline, with intervals."""

from __future__ import annotations

import re
from collections.abc import Mapping

from scipy.stats import binomtest

from vclr_pl.report.run_page import ResultRow
from vclr_pl.report.run_summary import two_errors
from vclr_pl.report.tables import interval, metric_title

SHARES = re.compile(r"(?!copy_)\w+_(r|top)\d+")  # metrics that are the share of queries with a right answer
LEVEL = 0.95


def result_rows(
    metrics: Mapping[str, float],
    *,
    baseline: Mapping[str, float],
    queries: int,
    intervals: Mapping[str, tuple[float, float]],
    chance: Mapping[str, float],
) -> list[ResultRow]:
    """A row for each metric.

    Args:
        metrics, baseline: percent, by name.
        queries: videos that the metrics are computed over; 0 if unknown.
        chance: what random neighbors give, where it is known, percent, by name.
        intervals: of `metrics`, where they are known; those of other shares of queries are Wilson's.
    """
    rows = []
    for name, value in metrics.items():
        before = baseline.get(name)
        rows.append(
            ResultRow(
                name=metric_title(name),
                before="" if before is None else f"{before:.1f}",
                before_interval="" if before is None else interval(share_interval(name, before, queries)),
                after=f"{value:.1f}",
                after_interval=interval(intervals.get(name) or share_interval(name, value, queries)),
                gain="" if before is None else f"{value - before:+z.1f}",
                chance=f"{chance[name]:.1f}" if name in chance else "",
                is_noise=before is not None and _is_noise(name, before, value, queries),
            )
        )
    return rows


def _is_noise(name: str, before: float, after: float, queries: int) -> bool:
    is_share = SHARES.fullmatch(name) is not None and queries > 0
    return is_share and abs(after - before) <= two_errors(before, after, queries=queries)


def share_interval(name: str, percent: float, queries: int) -> tuple[float, float] | None:
    """Wilson's 95% interval of a share of `queries`, in percent; None for a metric that is no share, as mAP."""
    if not SHARES.fullmatch(name) or queries < 1:
        return None
    found = binomtest(round(percent / 100.0 * queries), queries).proportion_ci(confidence_level=LEVEL, method="wilson")
    return 100.0 * float(found.low), 100.0 * float(found.high)
