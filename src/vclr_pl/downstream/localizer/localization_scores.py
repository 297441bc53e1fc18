"""What proposals are worth: average recall, and with classes of whole videos the precision of detections, in percent.

Legend: V videos, P proposals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vclr_pl.downstream.localizer.activitynet_metric import (
    PRECISION_TIOUS,
    RECALL_RANKS,
    THRESHOLDS_H,
    Detection,
    average_recall,
    mean_average_precision,
)
from vclr_pl.types import InputError

Segments = Mapping[str, Sequence[tuple[str, float, float]]]  # label, start and end in seconds, by video
Proposals = Mapping[str, Sequence[tuple[float, float, float]]]  # start, end in seconds, and score, by video
ClassScores = Mapping[str, Mapping[str, float]]  # probability by class, by video
LEVELS = 10


@dataclass(frozen=True, kw_only=True)
class LocalizationScoring:
    """classes_per_video: how many of a video's likeliest classes its proposals are given, each a detection (published for BMN: 2)."""

    classes_per_video: int

    def metrics(self, *, truth: Segments, proposals: Proposals, class_scores: ClassScores | None) -> dict[str, float]:
        """Percent: `ar_1`, `ar_5`, `ar_10`, `ar_100`, `auc`; with class scores `map_50`, `map_75`, `map_95` and their average over
        tIoU 0.5:0.05:0.95, `map`. Over the videos of `truth`."""
        recall = average_recall(
            truth={video: np.array([segment[1:] for segment in segments]).reshape(-1, 2) for video, segments in truth.items()},
            proposals={video: np.array(proposals.get(video, ())).reshape(-1, 3) for video in truth},
        )
        found = {f"ar_{rank}": 100.0 * recall.at(rank) for rank in RECALL_RANKS} | {"auc": recall.auc}
        if class_scores is not None:
            precision_H = mean_average_precision(truth=truth, detections=self.detections(proposals, class_scores))
            found |= {
                f"map_{round(100 * tiou)}": 100.0 * float(precision_H[np.abs(THRESHOLDS_H - tiou).argmin()]) for tiou in PRECISION_TIOUS
            }
            found["map"] = 100.0 * float(precision_H.mean())
        return found

    def detections(self, proposals: Proposals, class_scores: ClassScores) -> list[Detection]:
        """Each proposal once for each of its video's likeliest classes, its score times the class's."""
        found = []
        for video, rows in proposals.items():
            scores = class_scores.get(video, {})
            for label in sorted(scores, key=lambda name: -scores[name])[: self.classes_per_video]:
                found += [
                    Detection(video=video, label=label, start_seconds=start, end_seconds=end, score=score * scores[label])
                    for start, end, score in rows
                ]
        return found


def evenly_spaced(durations_seconds: Mapping[str, float]) -> dict[str, list[tuple[float, float, float]]]:
    """A hundred proposals a video that look at nothing: windows of 1, 1/2, ..., 1/10 of it, each shifted by half its width.

    1 + 3 + ... + 19 of them; wide ones come first, for actions are long.
    """
    windows = [(shift / (2 * level), (shift + 2) / (2 * level)) for level in range(1, LEVELS + 1) for shift in range(2 * level - 1)]
    return {
        video: [(start * seconds, end * seconds, 1.0 - place / len(windows)) for place, (start, end) in enumerate(windows)]
        for video, seconds in durations_seconds.items()
    }


def submission(proposals: Proposals) -> dict[str, object]:
    """ActivityNet's form for proposals: scores and segments in seconds by video."""
    results = {
        video: [{"score": score, "segment": [start, end]} for start, end, score in sorted(rows, key=lambda row: -row[2])]
        for video, rows in proposals.items()
    }
    return {"version": "VERSION 1.3", "results": results, "external_data": {"used": False, "details": ""}}


def read_class_scores(path: Path, *, known: Sequence[str]) -> dict[str, dict[str, float]]:
    """A user's scores: JSON, `{video: {label: probability}}`.

    Raises:
        InputError: no such file or form; a label that is not known. The error names video and label.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        scores = {str(video): {str(label): float(score) for label, score in row.items()} for video, row in content.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise InputError(
            expected='class scores, JSON {"video": {"label": probability}}',
            got=f"'{path}' ({type(error).__name__}: {error})",
            remedy="Correct class_scores=FILE.",
        ) from None
    for video, row in scores.items():
        for label in row:
            if label not in known:
                raise InputError(
                    expected=f"video '{video}': scores of the {len(known)} known labels", got=f"'{label}'", remedy=f"Correct '{path}'."
                )
    return scores
