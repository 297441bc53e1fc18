"""Figures of a recognizer against scikit-learn and a loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix as sklearn_confusion
from sklearn.metrics import recall_score, top_k_accuracy_score

from vclr_pl.evaluation.recognition import confusion_matrix, predicted_class, recognition_scores
from vclr_pl.types import FeatureTable, InputError


def table(*, videos=60, classes=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    label = torch.arange(videos) % (classes - 1)  # the last class has no video
    return FeatureTable(
        features=torch.randn(videos, classes, generator=generator) + torch.nn.functional.one_hot(label, classes),
        label=label,
        video_index=torch.arange(videos),
        path=tuple(f"{number}.mp4" for number in range(videos)),
        class_names=tuple("abcdefgh"[:classes]),
    )


def test_the_figures_are_scikit_learns():
    logits = table()
    scores = recognition_scores(logits)
    label, found = logits.label.numpy(), logits.features.numpy()
    metrics = scores.metrics()
    assert list(metrics) == ["recognition_top1", "recognition_top5", "recognition_mean_class"]
    for name, k in (("recognition_top1", 1), ("recognition_top5", 5)):
        assert metrics[name] == pytest.approx(100 * top_k_accuracy_score(label, found, k=k, labels=np.arange(8)))
    assert metrics["recognition_mean_class"] == pytest.approx(
        100 * recall_score(label, found.argmax(1), labels=np.arange(7), average="macro")
    )
    matrix = confusion_matrix(label_N=logits.label, predicted_N=predicted_class(logits.features), classes=8)
    assert matrix.tolist() == sklearn_confusion(label, found.argmax(1), labels=np.arange(8)).tolist()
    assert set(scores.by_class(logits.class_names)) == set("abcdefg")


def test_few_classes_have_no_top_5():
    assert list(recognition_scores(table(classes=5)).metrics()) == ["recognition_top1", "recognition_mean_class"]


def test_equal_logits_name_the_first_class():
    assert predicted_class(torch.tensor([[1.0, 1.0], [0.0, 2.0], [0.0, 0.0]])).tolist() == [0, 1, 0]


def test_a_diverged_network_is_told():
    logits = table()
    logits.features[3, 2] = float("nan")
    with pytest.raises(InputError, match="finite"):
        recognition_scores(logits)
