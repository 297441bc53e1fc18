"""The Boundary-Matching Network's parts as plain loops over videos, cells and positions, written from the equations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Stretch = tuple[float, float]


def tiou(first: Stretch, second: Stretch) -> float:
    common = min(first[1], second[1]) - max(first[0], second[0])
    if common <= 0:
        return 0.0
    return common / ((first[1] - first[0]) + (second[1] - second[0]) - common)


def sampling_mask(*, positions: int, samples: int, points: int, ratio: float) -> np.ndarray:
    """float64 `[T, N, D, S]`."""
    mask = np.zeros((positions, samples, positions, positions))
    for duration in range(positions):
        for start in range(positions - duration):
            first = start - ratio * (duration + 1)
            last = start + duration + ratio * (duration + 1)
            for number in range(samples * points):
                place = first + number * (last - first) / (samples * points - 1)
                below, above = (math.ceil(place), math.ceil(place)) if -1 < place < 0 else (math.floor(place), math.ceil(place))
                share = 0.0 if below == above else place - below
                for position, weight in ((below, 1 - share), (above, share)):
                    if 0 <= position < positions:
                        mask[position, number // points, duration, start] += weight / points
    return mask


def confidence_map(network: torch.nn.Module, features_BCT: Tensor, mask: Tensor) -> Tensor:
    """`[B, 2, D, S]` in the published order: sample every cell, three-dimensional convolution, two-dimensional ones."""
    positions = mask.shape[0]
    sampled = (features_BCT @ mask.flatten(1)).unflatten(2, (mask.shape[1], positions, positions))
    described: Tensor = network.x_3d_p(sampled).squeeze(2)
    found: Tensor = network.x_2d_p(described)
    return found


def labels(*, positions: int, segments: Sequence[Stretch], window: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """tIoU `[D, S]`, start `[T]`, end `[T]` of one video."""
    overlap = np.zeros((positions, positions))
    for duration in range(positions):
        for start in range(positions):
            cell = (start / positions, (start + duration + 1) / positions)
            overlap[duration, start] = max((tiou(cell, segment) for segment in segments), default=0.0)
    boundary = np.zeros((2, positions))
    for position in range(positions):
        anchor = ((position - 0.5) / positions, (position + 1.5) / positions)
        for which in (0, 1):
            for segment in segments:
                around = (segment[which] - window / positions / 2, segment[which] + window / positions / 2)
                common = max(0.0, min(anchor[1], around[1]) - max(anchor[0], around[0]))
                boundary[which, position] = max(boundary[which, position], common / (anchor[1] - anchor[0]))
    return overlap, boundary[0], boundary[1]


def balanced_logistic(probabilities: Sequence[float], positive: Sequence[bool]) -> float:
    """Mean over all entries, weights by the share of positives."""
    count = max(1, sum(positive))
    ratio = min(max(len(positive) / count, 1.05), 21.0) if sum(positive) else 21.0 if len(positive) >= 21 else max(len(positive), 1.05)
    total = 0.0
    for probability, is_positive in zip(probabilities, positive, strict=True):
        weight = 0.5 * ratio if is_positive else 0.5 * ratio / (ratio - 1)
        total -= weight * math.log((probability if is_positive else 1 - probability) + 1e-5)
    return total / len(positive)


def sampled_regression(predicted: Sequence[float], overlap: Sequence[float], uniform: tuple[Sequence[float], Sequence[float]]) -> float:
    """Half the mean squared error over the cells taken."""
    groups: dict[str, list[int]] = {"high": [], "middle": [], "low": []}
    for place, value in enumerate(overlap):
        if value > 0.7:
            groups["high"].append(place)
        elif value > 0.3:
            groups["middle"].append(place)
        elif value > 0:
            groups["low"].append(place)
    taken = list(groups["high"])
    for name, draws in zip(("middle", "low"), uniform, strict=True):
        share = len(groups["high"]) / max(1, len(groups[name]))
        taken += [place for place in groups[name] if groups["high"] and draws[place] > 1 - share]
    return 0.5 * sum((predicted[place] - overlap[place]) ** 2 for place in taken) / max(1, len(taken))


def candidates(start: Sequence[float], end: Sequence[float], cell: Callable[[int, int], float], fraction: float) -> list[list[float]]:
    """`[start, end, score]` of pairs of likely boundaries; `cell(duration index, start)` is the map's product there."""
    positions = len(start)

    def likely(values: Sequence[float], position: int, forced: int) -> bool:
        if position == forced:
            return True
        if position in (0, positions - 1):
            return False
        is_peak = values[position] > values[position - 1] and values[position] > values[position + 1]
        return is_peak or values[position] > fraction * max(values)

    return [
        [first / positions, last / positions, start[first] * end[last] * cell(last - first - 1, first)]
        for first in range(positions)
        for last in range(first + 1, positions)
        if likely(start, first, 0) and likely(end, last, positions - 1)
    ]


def soft_nms(proposals: Sequence[Sequence[float]], *, alpha: float, low: float, high: float, rounds: int) -> list[list[float]]:
    left = [list(proposal) for proposal in proposals]
    taken = []
    while left and len(taken) < rounds:
        best = max(left, key=lambda proposal: proposal[2])
        left.remove(best)
        taken.append(list(best))
        for other in left:
            overlap = tiou((best[0], best[1]), (other[0], other[1]))
            if overlap > low + (high - low) * (best[1] - best[0]):
                other[2] *= math.exp(-(overlap**2) / alpha)
    return sorted(taken, key=lambda proposal: -proposal[2])


def average_recall(truth: dict[str, list[Stretch]], proposals: dict[str, list[Sequence[float]]], per_video: int) -> float:
    """AR with the best `per_video` proposals of each video, where all have the same number of them."""
    values = []
    for step in range(10):
        threshold = 0.5 + 0.05 * step
        found = sum(
            any(tiou((row[0], row[1]), segment) >= threshold for row in sorted(proposals[video], key=lambda row: -row[2])[:per_video])
            for video, segments in truth.items()
            for segment in segments
        )
        values.append(found / sum(map(len, truth.values())))
    return sum(values) / len(values)


def average_precision(truth: dict[str, list[Stretch]], detections: list[tuple[str, float, float, float]], threshold: float) -> float:
    """Of one class: area under the precision that is left when recall may only grow; detections are (video, start, end, score)."""
    free = {video: list(segments) for video, segments in truth.items()}
    right: list[bool] = []
    for video, start, end, _ in sorted(detections, key=lambda row: -row[3]):
        ranked = sorted(free.get(video, []), key=lambda segment: -tiou((start, end), segment))
        hit = bool(ranked) and tiou((start, end), ranked[0]) >= threshold
        if hit:
            free[video].remove(ranked[0])
        right.append(hit)
    total, count = 0.0, sum(map(len, truth.values()))
    for place, hit in enumerate(right):
        if hit:
            total += max(sum(right[: later + 1]) / (later + 1) for later in range(place, len(right)))
    return total / count


def interpolated(features: np.ndarray, place: float) -> np.ndarray:
    below = min(int(place), len(features) - 2)
    found: np.ndarray = features[below] + (place - below) * (features[below + 1] - features[below])
    return found
