"""The figures of ActivityNet's challenge: average recall of proposals, its area under the curve, and mean average precision.

Legend: A true segments and P proposals of a video, H thresholds of tIoU, N = 100 numbers of proposals, V videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vclr_pl.op.temporal_iou import temporal_iou

Numbers = npt.NDArray[np.float64]
THRESHOLDS_H: Numbers = np.linspace(0.5, 0.95, 10)
MOST_PROPOSALS = 100
RECALL_RANKS = (1, 5, 10, 100)
PRECISION_TIOUS = (0.5, 0.75, 0.95)


@dataclass(frozen=True)
class AverageRecall:
    """Fractions, but `auc` in percent."""

    recall: Numbers  # mean over thresholds, at each number of proposals
    auc: float

    def at(self, proposals: int) -> float:
        """AR@`proposals`."""
        return float(self.recall[proposals - 1])


@dataclass(frozen=True)
class Detection:
    """One segment that was found: video, class, seconds and score."""

    video: str
    label: str
    start_seconds: float
    end_seconds: float
    score: float


def average_recall(*, truth: Mapping[str, Numbers], proposals: Mapping[str, Numbers]) -> AverageRecall:
    """AR@AN as ActivityNet's own script computes it, at most 100 proposals a video on average, tIoU 0.5:0.05:0.95.

    Args:
        truth: true segments `[A, 2]` by video, in seconds.
        proposals: start, end, score `[P, 3]` by video. All proposals of all videos are counted when the average is limited; a video
            without proposals finds nothing.
    """
    total = sum(map(len, proposals.values()))
    if not total:
        return AverageRecall(recall=np.zeros(MOST_PROPOSALS), auc=0.0)
    ratio = MOST_PROPOSALS * float(len(truth)) / total
    tiou_V = [_ranked_tiou(truth[video], proposals.get(video), ratio=ratio) for video in truth]
    retrieved = sum(tiou.shape[1] for tiou in tiou_V)
    share_N = np.arange(1, MOST_PROPOSALS + 1) / 100.0 * (MOST_PROPOSALS * float(len(truth)) / max(1, retrieved))
    found_HN = np.zeros((len(THRESHOLDS_H), MOST_PROPOSALS))
    for tiou_AP in tiou_V:
        found_HN += _found(tiou_AP, share_N=share_N)
    recall_N = (found_HN / max(1, sum(len(tiou) for tiou in tiou_V))).mean(axis=0)
    count_N = share_N * (float(retrieved) / len(truth))
    trapezoids = (recall_N[1:] + recall_N[:-1]) / 2 * np.diff(count_N)
    area = 100.0 * float(trapezoids.sum()) / float(count_N[-1]) if retrieved else 0.0
    return AverageRecall(recall=recall_N, auc=area)


def _ranked_tiou(truth_A2: Numbers, proposals_P3: Numbers | None, *, ratio: float) -> Numbers:
    """`[A, P]`, best proposal first, cut to the share that the average allows."""
    if proposals_P3 is None or not len(proposals_P3):
        return np.zeros((len(truth_A2), 0))
    ranked_P2 = proposals_P3[np.argsort(-proposals_P3[:, 2], kind="stable"), :2]
    kept = min(int(len(ranked_P2) * ratio), len(ranked_P2))
    return _tiou(truth_A2, ranked_P2[:kept])


def _found(tiou_AP: Numbers, *, share_N: Numbers) -> Numbers:
    """`[H, N]` true segments that are found at each threshold by the first proposals of each share."""
    segments, ranked = tiou_AP.shape
    if not ranked or not segments:
        return np.zeros((len(THRESHOLDS_H), len(share_N)))
    best_AP = np.maximum.accumulate(tiou_AP, axis=1)
    count_N = np.minimum((ranked * share_N).astype(np.int64), ranked)
    best_AN = np.where(count_N > 0, best_AP[:, np.maximum(count_N, 1) - 1], -1.0)
    found_HN: Numbers = (best_AN >= THRESHOLDS_H[:, None, None]).sum(axis=1).astype(np.float64)
    return found_HN


def mean_average_precision(*, truth: Mapping[str, Sequence[tuple[str, float, float]]], detections: Sequence[Detection]) -> Numbers:
    """`[H]` mean over the classes of the true segments of the interpolated average precision at tIoU 0.5:0.05:0.95, fractions.

    ActivityNet's script: of each class the detections of all videos, best first, each take the true segment of their video that they
    overlap most and that no better one took; a detection that takes none is wrong.

    Args:
        truth: (label, start, end) by video, in seconds.
    """
    labels = sorted({label for segments in truth.values() for label, _, _ in segments})
    by_label: dict[str, list[Detection]] = {label: [] for label in labels}
    for detection in detections:
        if detection.label in by_label:
            by_label[detection.label].append(detection)
    precision = [_class_precision(label, truth=truth, detections=by_label[label]) for label in labels]
    return np.mean(precision, axis=0) if precision else np.zeros(len(THRESHOLDS_H))


def _class_precision(label: str, *, truth: Mapping[str, Sequence[tuple[str, float, float]]], detections: Sequence[Detection]) -> Numbers:
    """`[H]` average precision of one class."""
    segments = {video: np.array([part[1:] for part in parts if part[0] == label]) for video, parts in truth.items()}
    segments = {video: found_A2 for video, found_A2 in segments.items() if len(found_A2)}
    taken = {video: np.zeros((len(THRESHOLDS_H), len(found_A2)), bool) for video, found_A2 in segments.items()}
    ranked = sorted(detections, key=lambda detection: -detection.score)
    right_HP = np.zeros((len(THRESHOLDS_H), len(ranked)), bool)
    for place, detection in enumerate(ranked):
        if detection.video not in segments:
            continue
        tiou_A = _tiou(segments[detection.video], np.array([[detection.start_seconds, detection.end_seconds]]))[:, 0]
        free_HA = (tiou_A >= THRESHOLDS_H[:, None]) & ~taken[detection.video]
        best_H = np.where(free_HA, tiou_A, -1.0).argmax(axis=1)
        right_HP[:, place] = free_HA.any(axis=1)
        taken[detection.video][right_HP[:, place], best_H[right_HP[:, place]]] = True
    count = sum(map(len, segments.values()))
    return np.array([_interpolated(right_P, segments=count) for right_P in right_HP])


def _interpolated(right_P: npt.NDArray[np.bool_], *, segments: int) -> float:
    """Area under precision over recall, precision made falling from the right."""
    if not len(right_P):
        return 0.0
    right = right_P.cumsum()
    precision = right / np.arange(1, len(right_P) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((best_from_here * right_P).sum() / segments)


def _tiou(first_M2: Numbers, second_N2: Numbers) -> Numbers:
    first, second = (torch.from_numpy(np.asarray(stretches, np.float64).reshape(-1, 2)) for stretches in (first_M2, second_N2))
    found_MN: Numbers = temporal_iou(first_M2=first, second_N2=second).numpy()
    return found_MN
