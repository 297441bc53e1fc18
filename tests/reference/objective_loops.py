"""The four terms in NumPy, one number at a time, written from the equations and nothing else.

Legend: B videos, S segments, V positives a query, K queue rows, D projection.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def contrast_loss(query: Array, keys: Array, queue: Array, temperature: float, masked: NDArray[np.bool_] | None = None) -> float:
    """-log exp(q k / t) / (exp(q k / t) + sum_n exp(q n / t)), averaged over V positives [V, B, D] of B queries [B, D]."""
    losses = []
    for positives in keys:
        for row, (own, positive) in enumerate(zip(query, positives, strict=True)):
            numerator = math.exp(sum(a * b for a, b in zip(own, positive, strict=True)) / temperature)
            denominator = numerator
            for place, negative in enumerate(queue):
                if masked is None or not masked[row, place]:
                    denominator += math.exp(sum(a * b for a, b in zip(own, negative, strict=True)) / temperature)
            losses.append(-math.log(numerator / denominator))
    return sum(losses) / len(losses)


def intra_loss(query: Array, keys: Array, temperature: float) -> float:
    """The second augmentation keys[0] against each of the other frames keys[1:], one pair at a time."""
    losses = []
    for row, own in enumerate(query):
        positive = math.exp(float(np.dot(own, keys[0][row])) / temperature)
        for other in keys[1:]:
            negative = math.exp(float(np.dot(own, other[row])) / temperature)
            losses.append(-math.log(positive / (positive + negative)))
    return sum(losses) / len(losses)


def order_loss(query: Array, key: Array, label: NDArray[np.int64], weight: Array, bias: Array, *, over_segments: bool) -> float:
    """Cross-entropy of a linear classifier on both tuples' features [B, S, D], scaled over segments or over features."""
    losses = []
    for own, other, wanted in zip(query, key, label, strict=True):
        seen: list[float] = []
        for projected in (own, other):
            scaled = np.empty_like(projected)
            for segment in range(projected.shape[0]):
                for feature in range(projected.shape[1]):
                    group = projected[:, feature] if over_segments else projected[segment]
                    scaled[segment, feature] = projected[segment, feature] / math.sqrt(sum(value * value for value in group))
            seen.extend(scaled.reshape(-1))
        scores = [float(np.dot(row, seen)) + offset for row, offset in zip(weight, bias, strict=True)]
        losses.append(math.log(sum(math.exp(score) for score in scores)) - scores[wanted])
    return sum(losses) / len(losses)
