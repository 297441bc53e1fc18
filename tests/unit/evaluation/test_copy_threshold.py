"""The threshold of near duplicates, on similarities whose kind is known."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.evaluation.copy_threshold import copy_threshold

EASY = [0.99, 0.98, 0.97, 0.96]


def test_between_the_copies_and_the_distinct_videos() -> None:
    found = copy_threshold(copies_P=torch.tensor([*EASY, 0.8]), nearest_G=torch.tensor([0.5, 0.6, 0.4, 0.6]))
    assert (found.similarity, found.recall) == (pytest.approx(0.7), 1.0)


def test_above_many_distinct_videos_that_are_as_similar_as_bad_copies() -> None:
    nearest = torch.tensor([0.5] * 30 + [0.82, 0.83, 0.84, 0.85])
    found = copy_threshold(copies_P=torch.tensor([*EASY, 0.8]), nearest_G=nearest)
    assert (found.similarity, found.recall) == (pytest.approx((0.96 + 0.85) / 2), 0.8)


def test_near_duplicates_of_the_collection_raise_no_threshold() -> None:
    copies = torch.tensor([*EASY, 0.9, 0.8])
    nearest = torch.tensor([0.5] * 30 + [0.99] * 4 + [0.975] * 4 + [0.85] * 4)  # copies of the same kinds, in the collection itself
    found = copy_threshold(copies_P=copies, nearest_G=nearest)
    assert (found.similarity, found.recall) == (pytest.approx(0.65), 1.0)


def test_one_pair_of_a_kind_that_is_rare() -> None:
    found = copy_threshold(copies_P=torch.tensor([*EASY, 0.8]), nearest_G=torch.tensor([0.5] * 30 + [0.85, 0.85]))
    assert (found.similarity, found.recall) == (pytest.approx(0.65), 1.0)


def test_a_single_video_and_equal_copies() -> None:
    found = copy_threshold(copies_P=torch.ones(3), nearest_G=torch.tensor([-1.0]))
    assert (found.similarity, found.recall) == (0.0, 1.0)
