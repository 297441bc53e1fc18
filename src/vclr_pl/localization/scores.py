"""ActivityNet's metrics of proposals and detections: AR, AUC, mAP.

Legend: M first segments, N second segments; a segment is (start, end) in any unit, A true segments and P proposals of a video, H
thresholds of tIoU, N = 100 numbers of proposals, V videos, P proposals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vclr_pl.types import InputError


def intersection(*, first_M2: Tensor, second_N2: Tensor) -> Tensor:
    """`[M, N]` length of the intersection of each first with each second segment, 0 if disjoint."""
    start_MN = torch.maximum(first_M2[:, None, 0], second_N2[None, :, 0])
    end_MN = torch.minimum(first_M2[:, None, 1], second_N2[None, :, 1])
    return (end_MN - start_MN).clamp(min=0)


def temporal_iou(*, first_M2: Tensor, second_N2: Tensor) -> Tensor:
    """`[M, N]` intersection over union (tIoU); 0 if the union is empty."""
    common_MN = intersection(first_M2=first_M2, second_N2=second_N2)
    union_MN = (first_M2[:, 1] - first_M2[:, 0])[:, None] + (second_N2[:, 1] - second_N2[:, 0])[None] - common_MN
    return torch.where(union_MN > 0, common_MN / union_MN.where(union_MN > 0, torch.ones_like(union_MN)), torch.zeros_like(union_MN))


def overlap_fraction(*, first_M2: Tensor, second_N2: Tensor) -> Tensor:
    """`[M, N]` intersection over the length of the first segment, which must be above 0."""
    return intersection(first_M2=first_M2, second_N2=second_N2) / (first_M2[:, 1] - first_M2[:, 0])[:, None]


Numbers = npt.NDArray[np.float64]
THRESHOLDS_H: Numbers = np.linspace(0.5, 0.95, 10)
MOST_PROPOSALS = 100
RECALL_RANKS = (1, 5, 10, 100)
PRECISION_TIOUS = (0.5, 0.75, 0.95)


@dataclass(frozen=True)
class AverageRecall:
    """Recall as fractions, `auc` in percent, and the parts of both that each video contributes."""

    recall: Numbers  # mean over thresholds, at each number of proposals
    auc: float
    recalled: Mapping[str, Numbers]  # by metric `auc`, `ar_100`: [V] recalled segments, a mean over thresholds; for `auc` also over numbers
    segments: Mapping[str, int]  # true segments by video; a metric is 100 x the sum of `recalled` over their sum

    def at(self, proposals: int) -> float:
        """AR@`proposals`."""
        return float(self.recall[proposals - 1])


@dataclass(frozen=True)
class Detection:
    """One detected segment: video, class, seconds and score."""

    video: str
    label: str
    start_seconds: float
    end_seconds: float
    score: float


def average_recall(*, truth: Mapping[str, Numbers], proposals: Mapping[str, Numbers]) -> AverageRecall:
    """AR@AN as in ActivityNet's script, at most 100 proposals per video on average, tIoU 0.5:0.05:0.95.

    Args:
        truth: true segments `[A, 2]` by video, in seconds.
        proposals: start, end, score `[P, 3]` by video. The limit of the average counts the proposals of all videos; a video
            without proposals has recall 0.
    """
    total, segments = sum(map(len, proposals.values())), {video: len(truth[video]) for video in truth}
    if not total:
        nothing_V = np.zeros(len(truth))
        return AverageRecall(np.zeros(MOST_PROPOSALS), auc=0.0, recalled={"auc": nothing_V, "ar_100": nothing_V}, segments=segments)
    ratio = MOST_PROPOSALS * float(len(truth)) / total
    tiou_V = [_ranked_tiou(truth[video], proposals.get(video), ratio=ratio) for video in truth]
    retrieved = sum(tiou.shape[1] for tiou in tiou_V)
    share_N = np.arange(1, MOST_PROPOSALS + 1) / 100.0 * (MOST_PROPOSALS * float(len(truth)) / max(1, retrieved))
    found_VN = np.stack([_found(tiou_AP, share_N=share_N).mean(axis=0) for tiou_AP in tiou_V])
    recall_N = found_VN.sum(axis=0) / max(1, sum(segments.values()))
    count_N = share_N * (float(retrieved) / len(truth))
    trapezoids_VN = (found_VN[:, 1:] + found_VN[:, :-1]) / 2 * np.diff(count_N)
    area_V = trapezoids_VN.sum(axis=1) / float(count_N[-1]) if retrieved else np.zeros(len(truth))
    area = 100.0 * float(area_V.sum()) / max(1, sum(segments.values()))
    return AverageRecall(recall_N, auc=area, recalled={"auc": area_V, "ar_100": found_VN[:, -1]}, segments=segments)


def _ranked_tiou(truth_A2: Numbers, proposals_P3: Numbers | None, *, ratio: float) -> Numbers:
    """tIoU `[A, P]`, best proposal first, truncated to the limit of the average."""
    if proposals_P3 is None or not len(proposals_P3):
        return np.zeros((len(truth_A2), 0))
    ranked_P2 = proposals_P3[np.argsort(-proposals_P3[:, 2], kind="stable"), :2]
    kept = min(int(len(ranked_P2) * ratio), len(ranked_P2))
    return _tiou(truth_A2, ranked_P2[:kept])


def _found(tiou_AP: Numbers, *, share_N: Numbers) -> Numbers:
    """`[H, N]` number of true segments recalled at each threshold by the first proposals."""
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

    As in ActivityNet's script: for each class, the detections of all videos, best first, match the true segment of their video with the
    highest tIoU that is not matched yet; a detection without a match is a false positive.

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
    for rank, detection in enumerate(ranked):
        if detection.video not in segments:
            continue
        tiou_A = _tiou(segments[detection.video], np.array([[detection.start_seconds, detection.end_seconds]]))[:, 0]
        free_HA = (tiou_A >= THRESHOLDS_H[:, None]) & ~taken[detection.video]
        best_H = np.where(free_HA, tiou_A, -1.0).argmax(axis=1)
        right_HP[:, rank] = free_HA.any(axis=1)
        taken[detection.video][right_HP[:, rank], best_H[right_HP[:, rank]]] = True
    count = sum(map(len, segments.values()))
    return np.array([_interpolated(right_P, segments=count) for right_P in right_HP])


def _interpolated(right_P: npt.NDArray[np.bool_], *, segments: int) -> float:
    """Area under the precision-recall curve, with precision made monotonic."""
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


Segments = Mapping[str, Sequence[tuple[str, float, float]]]  # label, start and end in seconds, by video
Proposals = Mapping[str, Sequence[tuple[float, float, float]]]  # start, end in seconds, and score, by video
ClassScores = Mapping[str, Mapping[str, float]]  # probability by class, by video
LEVELS = 10


@dataclass(frozen=True, kw_only=True)
class LocalizationScoring:
    """classes_per_video: number of a video's most probable classes that label its proposals (published for BMN: 2)."""

    classes_per_video: int

    def recall(self, *, truth: Segments, proposals: Proposals) -> AverageRecall:
        """AR and AUC, and each video's part of them. Videos are those of `truth`."""
        return average_recall(
            truth={video: np.array([segment[1:] for segment in segments]).reshape(-1, 2) for video, segments in truth.items()},
            proposals={video: np.array(proposals.get(video, ())).reshape(-1, 3) for video in truth},
        )

    def metrics(
        self, *, truth: Segments, proposals: Proposals, class_scores: ClassScores | None, recall: AverageRecall | None = None
    ) -> dict[str, float]:
        """Metrics, percent: `ar_1`, `ar_5`, `ar_10`, `ar_100`, `auc`; with class scores `map_50`, `map_75`, `map_95` and their average over
        tIoU 0.5:0.05:0.95, `map`. Videos are those of `truth`. `recall` is that of `recall`, if it is known."""
        recall = self.recall(truth=truth, proposals=proposals) if recall is None else recall
        metrics = {f"ar_{rank}": 100.0 * recall.at(rank) for rank in RECALL_RANKS} | {"auc": recall.auc}
        if class_scores is not None:
            precision_H = mean_average_precision(truth=truth, detections=self.detections(proposals, class_scores))
            metrics |= {
                f"map_{round(100 * tiou)}": 100.0 * float(precision_H[np.abs(THRESHOLDS_H - tiou).argmin()]) for tiou in PRECISION_TIOUS
            }
            metrics["map"] = 100.0 * float(precision_H.mean())
        return metrics

    def detections(self, proposals: Proposals, class_scores: ClassScores) -> list[Detection]:
        """Each proposal with each of its video's most probable classes; its score is multiplied by the class score."""
        detections = []
        for video, rows in proposals.items():
            scores = class_scores.get(video, {})
            for label in sorted(scores, key=lambda name: -scores[name])[: self.classes_per_video]:
                detections += [
                    Detection(video=video, label=label, start_seconds=start, end_seconds=end, score=score * scores[label])
                    for start, end, score in rows
                ]
        return detections


def evenly_spaced_proposals(durations_seconds: Mapping[str, float]) -> dict[str, list[tuple[float, float, float]]]:
    """A baseline of 100 proposals per video, independent of its content: windows of 1, 1/2, ..., 1/10 of it, shifted by half their width.

    Their number is 1 + 3 + ... + 19; wide windows are first, because actions are long.
    """
    windows = [(shift / (2 * level), (shift + 2) / (2 * level)) for level in range(1, LEVELS + 1) for shift in range(2 * level - 1)]
    return {
        video: [(start * seconds, end * seconds, 1.0 - rank / len(windows)) for rank, (start, end) in enumerate(windows)]
        for video, seconds in durations_seconds.items()
    }


def submission(proposals: Proposals) -> dict[str, object]:
    """ActivityNet's format for proposals: scores and segments in seconds by video."""
    results = {
        video: [{"score": score, "segment": [start, end]} for start, end, score in sorted(rows, key=lambda row: -row[2])]
        for video, rows in proposals.items()
    }
    return {"version": "VERSION 1.3", "results": results, "external_data": {"used": False, "details": ""}}


def read_class_scores(path: Path, *, known: Sequence[str]) -> dict[str, dict[str, float]]:
    """Read the user's class scores: JSON, `{video: {label: probability}}`.

    Raises:
        InputError: no such file, another format, or an unknown label. The error names video and label.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        scores = {str(video): {str(label): float(score) for label, score in row.items()} for video, row in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            expected='class scores, JSON {"video": {"label": probability}}',
            got=f"'{path}' ({type(error).__name__}: {error})",
            hint="Correct class_scores=FILE.",
        ) from None
    for video, row in scores.items():
        for label in row:
            if label not in known:
                raise InputError(
                    expected=f"video '{video}': scores of the {len(known)} known labels", got=f"'{label}'", hint=f"Correct '{path}'."
                )
    return scores
