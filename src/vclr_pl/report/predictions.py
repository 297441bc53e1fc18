"""Predictions of a recognizer as CSV: one line per video, and the confusion matrix.

Legend: N videos, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from torch import Tensor

from vclr_pl.evaluation.scoring import confusion_matrix, predicted_class
from vclr_pl.files import write_csv
from vclr_pl.types import FeatureTable

MORE = 5
READ = "read"


@dataclass(frozen=True)
class Prediction:
    """One test video. `top5` and `scores` are separated by ` | `, best first; scores are the softmax of the logits.

    `status` is `read`, or the reason if the video is unreadable; then all other columns except `label` are empty.
    """

    path: str
    label: str
    prediction: str
    top5: str
    scores: str
    status: str


def predictions(logits: FeatureTable, *, path: Sequence[str], label: Sequence[int]) -> list[Prediction]:
    """One row for every test video, in the order of the list.

    Args:
        logits: features `[N, K]` of the readable videos.
        path, label: path and label of all test videos.
    """
    names = logits.class_names
    score_NK = logits.features.double().softmax(dim=1)
    best_NK = logits.features.sort(dim=1, descending=True, stable=True).indices[:, :MORE]
    row_of = {index: row for row, index in enumerate(logits.video_index.tolist())}
    reason_of = {video.path: video.reason for video in logits.broken}
    rows = []
    for index, (video, true_class) in enumerate(zip(path, label, strict=True)):
        row = row_of.get(index)
        if row is None:
            rows.append(Prediction(video, names[true_class], "", "", "", f"broken: {reason_of.get(video, 'no frame could be read')}"))
            continue
        best = best_NK[row].tolist()
        shown = " | ".join(f"{float(score_NK[row, column]):.4f}" for column in best)
        rows.append(Prediction(video, names[true_class], names[best[0]], " | ".join(names[column] for column in best), shown, READ))
    return rows


def write_predictions(path: Path, rows: Sequence[Prediction]) -> None:
    write_csv(path, [field.name for field in fields(Prediction)], map(astuple, rows))


def write_confusion(path: Path, logits: FeatureTable) -> None:
    """Write numbers of videos: one row for each true class, one column for each predicted class."""
    names = logits.class_names
    counts_KK: Tensor = confusion_matrix(label_N=logits.label, predicted_N=predicted_class(logits.features), classes=len(names))
    write_csv(path, ["true class", *names], ([name, *row] for name, row in zip(names, counts_KK.tolist(), strict=True)))
