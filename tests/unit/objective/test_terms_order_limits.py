"""What the temporal order term can learn on sets whose events are known: the loss of the best readers of the order that a tuple shows.

Legend: N cases (a video's order, both shufflings), Q orders of a tuple.
"""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from vclr_pl.data.sampling import draw_frame_order
from vclr_pl.objective.terms import CASES

ORDERS = list(permutations(range(3)))
SHUFFLES = [order for order in ORDERS if order not in ((0, 1, 2), (2, 1, 0))]


def cases(video_orders: list[tuple[int, ...]]) -> list[tuple[int, int, int, float]]:
    """Query order, key order (as places in ORDERS), label and probability, for videos whose events come in one of these orders."""
    found = []
    for video in video_orders:
        for label in range(CASES):
            ways = [SHUFFLES if label & bit else [(0, 1, 2)] for bit in (1, 2)]
            share = 1 / len(video_orders) / CASES / len(ways[0]) / len(ways[1])
            for query in ways[0]:
                for key in ways[1]:
                    shown = [ORDERS.index(tuple(video[segment] for segment in order)) for order in (query, key)]
                    found.append((*shown, label, share))
    return found


def best_of_pairs(found: list[tuple[int, int, int, float]]) -> tuple[float, float]:
    """Loss and accuracy of the best reader of both tuples together."""
    joint = np.zeros((len(ORDERS), len(ORDERS), CASES))
    for query, key, label, share in found:
        joint[query, key, label] += share
    seen = joint.sum(axis=2, keepdims=True)
    share = np.divide(joint, seen, where=seen > 0, out=np.zeros_like(joint))
    loss = -(joint * np.log(np.where(joint > 0, share, 1))).sum()
    return float(loss), float(100 * joint.max(axis=2).sum())


def best_linear(found: list[tuple[int, int, int, float]]) -> tuple[float, float]:
    """Loss and accuracy of the term's classifier, linear in the features of the query tuple and of the key tuple, whatever these are.

    A function of each tuple's own order is all that the encoder and the head can add, so the logits are f(query) + g(key).
    """
    query_N, key_N, label_N, share_N = (np.array(column) for column in zip(*found, strict=True))
    share_N = share_N.astype(float)
    rows = len(ORDERS)

    def logits(flat: np.ndarray) -> np.ndarray:
        f_QC, g_QC = flat.reshape(2, rows, CASES)
        return f_QC[query_N] + g_QC[key_N]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        log_NC = log_softmax(logits(flat), axis=1)
        error_NC = (np.exp(log_NC) - np.eye(CASES)[label_N]) * share_N[:, None]
        gradient = np.zeros((2, rows, CASES))
        np.add.at(gradient[0], query_N, error_NC)
        np.add.at(gradient[1], key_N, error_NC)
        return float(-(share_N * log_NC[np.arange(len(label_N)), label_N]).sum()), gradient.ravel()

    start = np.random.default_rng(0).normal(size=2 * rows * CASES)  # the loss is convex: any start finds the same end
    end = minimize(loss, start, jac=True, method="BFGS", options={"maxiter": 2000, "gtol": 1e-9})
    right_N = logits(end.x).argmax(axis=1) == label_N
    return float(end.fun), float(100 * share_N[right_N].sum())


def test_where_every_order_is_equally_likely_the_linear_classifier_learns_nothing() -> None:
    found = cases(ORDERS)  # composition and order: a shuffled tuple looks as another video's tuple in time
    assert best_linear(found)[0] == pytest.approx(math.log(CASES), abs=1e-6)
    loss, accuracy = best_of_pairs(found)  # a reader of both tuples together sees how one is permuted into the other
    assert (loss, accuracy) == (pytest.approx(loss_of_permutations()), pytest.approx(56.25))
    assert loss == pytest.approx(0.8157, abs=1e-4)


def loss_of_permutations() -> float:
    """The entropy of the label, given the permutation that turns the query tuple into the key tuple."""
    identity, counts = (0, 1, 2), Counter[tuple[tuple[int, ...], int]]()
    for label in range(CASES):
        queries, keys = (SHUFFLES if label & bit else [identity] * 4 for bit in (1, 2))  # 16 equally likely pairs of each label
        counts.update((tuple(query.index(segment) for segment in key), label) for query in queries for key in keys)
    seen = Counter[tuple[int, ...]]()
    for (permutation, _), count in counts.items():
        seen[permutation] += count
    total = sum(counts.values())
    return -sum(count / total * math.log(count / seen[permutation]) for (permutation, _), count in counts.items())


def test_where_all_videos_share_an_order_the_linear_classifier_learns_everything() -> None:
    loss, accuracy = best_linear(cases([(0, 1, 2)]))  # arrow and motion
    assert (loss, accuracy) == (pytest.approx(0.0, abs=1e-3), pytest.approx(100.0))


def test_where_orders_differ_in_probability_it_learns_a_part() -> None:
    loss, accuracy = best_linear(cases([(0, 1, 2), (0, 1, 2), (1, 2, 0)]))
    assert 0.1 < loss < math.log(CASES) - 0.1
    assert 30 < accuracy < 95


def test_the_cases_are_those_that_the_sampler_draws() -> None:
    generator = np.random.default_rng(0)
    drawn = [draw_frame_order(segments=3, generator=generator) for _ in range(20_000)]
    counts = np.zeros((len(ORDERS), len(ORDERS), CASES))
    for order in drawn:
        counts[ORDERS.index(tuple(order.query)), ORDERS.index(tuple(order.key)), order.label] += 1
    expected = np.zeros_like(counts)
    for query, key, label, share in cases([(0, 1, 2)]):
        expected[query, key, label] += share * len(drawn)
    assert counts[expected == 0].sum() == 0
    chi_square = ((counts - expected)[expected > 0] ** 2 / expected[expected > 0]).sum()
    assert chi_square < 60  # 24 degrees of freedom: 0.01 % of draws are above
