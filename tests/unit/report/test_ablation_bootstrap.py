"""The two-level bootstrap: against loops with the same draws, the closed form of its variance, SciPy's bootstrap, and its coverage."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vclr_pl.evaluation.accuracy import QueryScores
from vclr_pl.evaluation.scoring import Bootstrap
from vclr_pl.report import ablation_bootstrap
from vclr_pl.report.ablation_bootstrap import SeedSample, percentile_interval, two_level_means


def samples(*sizes: int, columns: int = 2, weighted: bool = False) -> list[SeedSample]:
    generator = np.random.default_rng(7)
    return [
        SeedSample(
            generator.random((queries, columns)) + place, generator.integers(1, 5, queries).astype(float) if weighted else np.ones(queries)
        )
        for place, queries in enumerate(sizes)
    ]


def mean_of(sample: SeedSample, drawn: np.ndarray) -> list[float]:
    """The means of the columns over drawn queries, one by one."""
    weight = sum(float(sample.weights[query]) for query in drawn)
    return [sum(float(sample.values[query, column]) for query in drawn) / weight for column in range(sample.values.shape[1])]


def scaled(given: list[SeedSample], row: np.ndarray) -> np.ndarray:
    """What the drawn seeds' deviations, times sqrt(S / (S - 1)), add to a mean of a resample."""
    of_seeds = [np.array(mean_of(sample, np.arange(len(sample.weights)))) for sample in given]
    deviations = [of - sum(of_seeds) / len(of_seeds) for of in of_seeds]
    return sum((np.sqrt(len(given) / (len(given) - 1)) - 1) * deviations[number] for number in row) / len(row)  # type: ignore[no-any-return]


def test_each_drawn_seed_draws_its_own_queries() -> None:
    """Seeds of several sizes; the loop takes the draws in the order of the places and seeds."""
    given, resamples = samples(4, 7, 5, weighted=True), 30
    generator = np.random.default_rng(3)
    seeds = generator.integers(3, size=(resamples, 3))
    expected = np.zeros((resamples, 2))
    for place in range(3):
        for number, sample in enumerate(given):
            rows = [row for row in range(resamples) if seeds[row, place] == number]
            for row, drawn in zip(rows, generator.integers(len(sample.weights), size=(len(rows), len(sample.weights))), strict=True):
                expected[row] += np.array(mean_of(sample, drawn)) / 3
    expected += np.array([scaled(given, row) for row in seeds])
    assert two_level_means(given, same_queries=False, resamples=resamples, seed=3) == pytest.approx(expected)


def test_seeds_with_the_same_queries_share_the_draw() -> None:
    given, resamples = samples(6, 6, 6), 30
    generator = np.random.default_rng(3)
    seeds, queries = generator.integers(3, size=(resamples, 3)), generator.integers(6, size=(resamples, 6))
    expected = [
        np.mean([mean_of(given[number], drawn) for number in row], axis=0) + scaled(given, row)
        for row, drawn in zip(seeds, queries, strict=True)
    ]
    assert two_level_means(given, same_queries=True, resamples=resamples, seed=3) == pytest.approx(np.array(expected))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nested, crossed = samples(6, 5), samples(6, 6)
    whole = [two_level_means(given, same_queries=same, resamples=50, seed=0) for given, same in ((nested, False), (crossed, True))]
    monkeypatch.setattr(ablation_bootstrap, "COUNTS_PER_BLOCK", 20)
    parts = [two_level_means(given, same_queries=same, resamples=50, seed=0) for given, same in ((nested, False), (crossed, True))]
    assert np.array_equal(parts[1], whole[1])
    assert np.array_equal(parts[0], whole[0])


@pytest.mark.parametrize("same_queries", [False, True])
def test_its_variance_is_that_of_the_closed_form(same_queries: bool) -> None:
    """Given the data, nested: (variance of the seeds' means + mean variance within a seed / Q) / S, with divisors S - 1 and Q.

    Crossed: one draw of queries for all seeds adds the covariances between different seeds of a resample, S (S - 1) pairs of S^2.
    """
    generator = np.random.default_rng(0)
    queries, seeds = 30, 4
    of_query = generator.normal(size=(queries, 1))
    values = [generator.normal(generator.normal(0, 0.3), 1, (queries, 1)) + of_query for _ in range(seeds)]
    found = two_level_means([SeedSample(of, np.ones(queries)) for of in values], same_queries=same_queries, resamples=40_000, seed=1)
    between = np.var([of.mean() for of in values], ddof=1)
    within = np.mean([np.var(of) for of in values]) / queries
    shared = np.var(np.mean(values, axis=0)) / queries  # of the mean over seeds, in each query
    expected = (between + within) / seeds + (seeds - 1) / seeds * (shared if same_queries else 0.0)
    assert np.var(found) == pytest.approx(expected, rel=0.03)
    assert found.mean() == pytest.approx(np.mean(values), abs=0.01)


def test_with_one_seed_it_is_the_bootstrap_of_the_queries() -> None:
    """SciPy's, by which `evaluate` gives its intervals."""
    right = np.random.default_rng(2).random(200) < 0.7
    found = two_level_means([SeedSample(right[:, None].astype(float), np.ones(200))], same_queries=False, resamples=20_000, seed=0)
    scores = QueryScores(label=torch.zeros(200, dtype=torch.long), values={"r1": torch.from_numpy(right).double()})
    expected = Bootstrap(resamples=20_000, level_percent=95, seed=5).intervals(scores)["r1"]
    assert 100 * percentile_interval(found, level_percent=95)[:, 0] == pytest.approx(expected, abs=0.51)


def test_no_segments_drawn_is_0_and_no_division() -> None:
    found = two_level_means([SeedSample(np.array([[0.0], [2.0]]), np.array([0.0, 2.0]))], same_queries=False, resamples=100, seed=0)
    assert set(found[:, 0].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(("of_query", "least", "most"), [(5, 0.90, 1.0), (0.2, 0.83, 0.94)])
def test_intervals_cover_the_mean_of_new_seeds_and_videos(of_query: float, least: float, most: float) -> None:
    """Normal seeds, deviation 1, with 25 normal queries: both levels contribute equally (deviation 5), or the seeds dominate. 5 seeds, 300
    experiments; the share within which 95% intervals may lie is about four standard errors, and one-level intervals over videos are too
    short.
    """
    generator = np.random.default_rng(4)
    two, one = 0, 0
    for experiment in range(300):
        of_seeds = [generator.normal(generator.normal(0, 1), of_query, (25, 1)) for _ in range(5)]
        means = two_level_means([SeedSample(of, np.ones(25)) for of in of_seeds], same_queries=False, resamples=300, seed=experiment)
        videos = np.concatenate(of_seeds)
        of_videos = two_level_means([SeedSample(videos, np.ones(125))], same_queries=False, resamples=300, seed=experiment)
        for ends, of in ((percentile_interval(means, level_percent=95), "two"), (percentile_interval(of_videos, level_percent=95), "one")):
            covers = bool(ends[0, 0] <= 0 <= ends[1, 0])
            two, one = two + (covers and of == "two"), one + (covers and of == "one")
    assert least <= two / 300 <= most
    assert one / 300 < 0.88
