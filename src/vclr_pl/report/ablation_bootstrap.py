"""Two-level bootstrap of means over seeds: seeds are resampled, and within each drawn seed its queries.

Seeds of a training give other networks, and often other videos; queries are the videos of one seed's test list. An interval over queries
alone takes the network as given, and one over seeds alone needs many of them (Bouthillier et al. 2021, "Accounting for variance in machine
learning benchmarks"). Resampling both is the bootstrap of hierarchical data (Davison & Hinkley 1997, section 3.8). Where all seeds have the
same queries, one draw of the queries serves all seeds of a resample: the draws are crossed, not nested (Owen 2007, "The pigeonhole
bootstrap"), because a query that is hard for one seed is hard for the others.

The variance over resamples of S seeds is (S - 1) / S of an unbiased estimate, which matters for the few seeds of a training. So the
deviations of the drawn seeds' means from the mean over seeds are multiplied by sqrt(S / (S - 1)) (Davison & Hinkley 1997).

Legend: S seeds, Q queries of a seed, K columns (metrics), R resamples, r resamples of a block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
COUNTS_PER_BLOCK = 4_000_000  # 32 MB in float64


@dataclass(frozen=True)
class SeedSample:
    """The queries of a seed. The mean of a column is the sum of its values over the sum of the weights."""

    values: Numbers  # [Q, K]
    weights: Numbers  # [Q]


def two_level_means(samples: Sequence[SeedSample], *, same_queries: bool, resamples: int, seed: int) -> Numbers:
    """`[R, K]` means over seeds of the means within a seed, of each resample. With one seed, its queries alone are resampled.

    The seeds' deviations are scaled by sqrt(S / (S - 1)), so a mean of proportions can be slightly below 0 or above 1.

    Args:
        samples: one for each seed.
        same_queries: all seeds have the same queries, in the same order.
        resamples: R.
        seed: of the draws. Samples of equal sizes get equal draws.
    """
    generator, seeds = np.random.default_rng(seed), len(samples)
    drawn_RS = generator.integers(seeds, size=(resamples, seeds))
    means_RK = _widening(samples, drawn_RS)
    if same_queries:
        for rows in _blocks(np.arange(resamples), queries=len(samples[0].weights)):
            counts_rQ = _drawn_counts(generator, resamples=len(rows), queries=len(samples[0].weights))
            of_seed_rSK = np.stack([_means(counts_rQ, sample) for sample in samples], axis=1)
            means_RK[rows] += np.take_along_axis(of_seed_rSK, drawn_RS[rows][:, :, None], axis=1).mean(axis=1)
        return means_RK
    for place in range(seeds):
        for number, sample in enumerate(samples):
            for rows in _blocks(np.flatnonzero(drawn_RS[:, place] == number), queries=len(sample.weights)):
                counts_rQ = _drawn_counts(generator, resamples=len(rows), queries=len(sample.weights))
                means_RK[rows] += _means(counts_rQ, sample) / seeds
    return means_RK


def percentile_interval(values_RK: Numbers, *, level_percent: float) -> Numbers:
    """`[2, K]` ends of the interval that holds the middle `level_percent` of the resamples (Efron 1979)."""
    outside = (1 - level_percent / 100) / 2
    ends: Numbers = np.quantile(values_RK, [outside, 1 - outside], axis=0)
    return ends


def _widening(samples: Sequence[SeedSample], drawn_RS: npt.NDArray[np.int64]) -> Numbers:
    """`[R, K]`: what scaling adds to the mean of a resample. The deviations are those of the seeds' means over all of their queries."""
    seeds = len(samples)
    factor = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 1.0
    of_seed_SK = np.concatenate([_means(np.ones((1, len(sample.weights))), sample) for sample in samples])
    deviations_SK = of_seed_SK - of_seed_SK.mean(axis=0)
    added_RK: Numbers = (factor - 1.0) * deviations_SK[drawn_RS].mean(axis=1)
    return added_RK


def _blocks(rows: npt.NDArray[np.int64], *, queries: int) -> list[npt.NDArray[np.int64]]:
    size = max(1, COUNTS_PER_BLOCK // max(1, queries))
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _drawn_counts(generator: np.random.Generator, *, resamples: int, queries: int) -> Numbers:
    """`[r, Q]`: how often each resample contains each query."""
    drawn_rQ = generator.integers(queries, size=(resamples, queries)) + np.arange(resamples)[:, None] * queries
    return np.bincount(drawn_rQ.ravel(), minlength=resamples * queries).reshape(resamples, queries).astype(np.float64)


def _means(counts_rQ: Numbers, sample: SeedSample) -> Numbers:
    """`[r, K]`; 0 for a resample whose weights are all 0."""
    total_r = counts_rQ @ sample.weights
    means_rK: Numbers = counts_rQ @ sample.values / np.where(total_r > 0, total_r, 1.0)[:, None]
    return means_rK
