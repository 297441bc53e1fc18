"""The threshold of near duplicates, on similarities whose kind is known."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.evaluation.copy_threshold import copy_threshold

COPIES = torch.tensor([0.7, 0.99, 0.9, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.92])


@pytest.mark.parametrize(
    ("recall", "nearest", "similarity", "found"),
    [
        (0.9, [0.5, 0.6], 0.65, 1.0),  # all copies are above all videos
        (0.9, [0.5, 0.8], 0.85, 0.9),  # between the lowest wanted copy and the video below it
        (0.9, [0.5, 0.93, 0.99], 0.6, 1.0),  # the collection has near duplicates itself
        (0.5, [0.5, 0.925], 0.9275, 0.7),  # more copies than wanted, since no video is in between
        (0.9, [-1.0], -0.15, 1.0),  # a single video
        (0.9, [0.95, 0.96], -0.15, 1.0),  # every video has a near duplicate
    ],
)
def test_threshold(recall: float, nearest: list[float], similarity: float, found: float) -> None:
    chosen = copy_threshold(copies_P=COPIES, nearest_G=torch.tensor(nearest), recall=recall)
    assert (chosen.similarity, chosen.recall) == (pytest.approx(similarity), pytest.approx(found))
