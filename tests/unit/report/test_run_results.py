from __future__ import annotations

import math

import pytest

from vclr_pl.report.run_results import result_rows, share_interval


@pytest.mark.parametrize(("right", "queries"), [(60, 150), (0, 12), (7, 7)])
def test_the_interval_is_wilsons(right, queries):
    share, z = right / queries, 1.959964
    center = (share + z * z / (2 * queries)) / (1 + z * z / queries)
    half = z / (1 + z * z / queries) * math.sqrt(share * (1 - share) / queries + z * z / (4 * queries * queries))
    expected = (100 * max(0.0, center - half), 100 * min(1.0, center + half))
    assert share_interval("retrieval_r1", 100.0 * share, queries) == pytest.approx(expected, abs=1e-3)


def test_a_mean_of_precisions_has_no_interval():
    assert share_interval("retrieval_map", 40.0, 150) is None
    assert share_interval("retrieval_r1", 40.0, 0) is None


def test_a_row_has_both_values_and_the_gain():
    rows = result_rows(
        {"retrieval_r1": 40.0, "knn_top1": 50.0}, baseline={"retrieval_r1": 30.0}, queries=100, intervals={"knn_top1": (41.0, 59.0)}
    )
    assert [(row.name, row.before, row.after, row.gain) for row in rows] == [
        ("retrieval R@1", "30.0", "40.0", "+10.0"),
        ("kNN top-1", "", "50.0", ""),
    ]
    assert [(row.before_interval, row.after_interval) for row in rows] == [("21.9 to 39.6", "30.9 to 49.8"), ("", "41.0 to 59.0")]
