"""predictions.csv and confusion.csv: one row a video, whatever became of it; one a class."""

from __future__ import annotations

import csv

import torch

from vclr_pl.report.predictions import Prediction, predictions, write_confusion, write_predictions
from vclr_pl.types import BrokenVideo, FeatureTable

LOGITS = FeatureTable(
    features=torch.tensor([[2.0, 1.0, 0.0], [0.0, 0.0, 3.0]]),
    label=torch.tensor([0, 1]),
    video_index=torch.tensor([0, 2]),
    path=("a.mp4", "ü, c.mp4"),
    class_names=("run", "sit", "jump"),
    broken=(BrokenVideo("b.mp4", "pyav", "no frames"),),
)
PATHS, LABELS = ["a.mp4", "b.mp4", "ü, c.mp4"], [0, 2, 1]


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_every_test_video_has_its_row():
    found = predictions(LOGITS, path=PATHS, label=LABELS)
    assert found == [
        Prediction("a.mp4", "run", "run", "run | sit | jump", "0.6652 | 0.2447 | 0.0900", "read"),
        Prediction("b.mp4", "jump", "", "", "", "broken: no frames"),
        Prediction("ü, c.mp4", "sit", "jump", "jump | run | sit", "0.9094 | 0.0453 | 0.0453", "read"),
    ]


def test_the_files(tmp_path):
    write_predictions(tmp_path / "predictions.csv", predictions(LOGITS, path=PATHS, label=LABELS))
    header, *body = rows(tmp_path / "predictions.csv")
    assert header == ["path", "label", "prediction", "top5", "scores", "status"]
    assert [row[0] for row in body] == PATHS
    write_confusion(tmp_path / "confusion.csv", LOGITS)
    assert rows(tmp_path / "confusion.csv") == [
        ["true class", "run", "sit", "jump"],
        ["run", "1", "0", "0"],
        ["sit", "0", "0", "1"],
        ["jump", "0", "0", "0"],
    ]
