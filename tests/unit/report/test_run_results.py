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
        {"retrieval_r1": 40.0, "knn_top1": 50.0},
        baseline={"retrieval_r1": 30.0},
        queries=100,
        intervals={"knn_top1": (41.0, 59.0)},
        chance={"retrieval_r1": 9.96},
    )
    assert [(row.name, row.before, row.after, row.gain) for row in rows] == [
        ("retrieval R@1", "30.0", "40.0", "+10.0"),
        ("kNN top-1", "", "50.0", ""),
    ]
    assert [row.chance for row in rows] == ["10.0", ""]
    assert [(row.before_interval, row.after_interval) for row in rows] == [("21.9 to 39.6", "30.9 to 49.8"), ("", "41.0 to 59.0")]


@pytest.mark.parametrize(
    ("name", "before", "after", "queries", "expected"),
    [
        ("retrieval_r1", 33.3, 44.3, 150, True),  # two standard errors are 11.2 points
        ("retrieval_r1", 33.3, 45.3, 150, False),
        ("retrieval_r1", 45.3, 33.3, 150, False),
        ("retrieval_r50", 100.0, 100.0, 150, True),
        ("retrieval_map", 40.0, 41.0, 150, False),  # no share of queries
        ("retrieval_r1", 40.0, 41.0, 0, False),
    ],
)
def test_a_difference_within_two_standard_errors_is_noise(name, before, after, queries, expected):
    (row,) = result_rows({name: after}, baseline={name: before}, queries=queries, intervals={}, chance={})
    assert row.is_noise == expected
