"""Retrieval of made copies, against a loop in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.unit.evaluation.tables import table

from vclr_pl.evaluation.copy_retrieval import CopyRetrieval, copied_videos, with_copies
from vclr_pl.evaluation.rank_me import RankMe
from vclr_pl.types import FeatureTable, InputError


def copies(features: torch.Tensor, originals: list[int]) -> FeatureTable:
    return replace(table(features, [-1] * len(features)), video_index=torch.tensor(originals))


def test_it_is_the_share_of_copies_whose_nearest_video_is_their_original():
    generator = np.random.default_rng(0)
    gallery = generator.normal(size=(20, 6))
    originals = [video for video in (3, 7, 11, 19) for _ in range(3)]
    made = gallery[originals] + generator.normal(size=(12, 6)) * 1.2
    by_video: dict[int, list[bool]] = {}
    for feature, original in zip(made, originals, strict=True):
        cosine = [float(feature @ other / np.linalg.norm(feature) / np.linalg.norm(other)) for other in gallery]
        by_video.setdefault(original, []).append(int(np.argmax(cosine)) == original)
    expected = 100 * np.mean([np.mean(found) for found in by_video.values()])
    measure = CopyRetrieval(videos=4, with_labels=False).given(copies(torch.from_numpy(made), originals))
    of = table(torch.from_numpy(gallery), [-1] * 20)
    assert 0 < expected < 100
    assert measure(gallery=of, query=None) == {"copy_top1": pytest.approx(expected)}


def test_a_video_counts_once_however_many_of_its_copies_can_be_read():
    gallery = table(torch.eye(4), [-1] * 4)
    made = copies(torch.eye(4)[[0, 0, 0, 3]], [0, 0, 0, 1])
    scores = CopyRetrieval(videos=2, with_labels=False).given(made).scores(gallery=gallery, query=None)
    assert scores is not None
    assert scores.values["copy_top1"].tolist() == [1.0, 0.0]


def test_videos_are_named_by_their_place_in_the_list_not_by_their_row():
    gallery = replace(table(torch.eye(3), [-1] * 3), video_index=torch.tensor([4, 6, 9]))
    assert CopyRetrieval(videos=2, with_labels=False).given(copies(torch.eye(3)[[1, 2]], [6, 9]))(gallery=gallery, query=None) == {
        "copy_top1": 100.0
    }


def test_without_a_readable_copy_there_is_no_figure():
    assert (
        CopyRetrieval(videos=2, with_labels=False).given(copies(torch.empty(0, 0), []))(gallery=table(torch.eye(3), [0, 1, 2]), query=None)
        == {}
    )


def test_measures_declare_of_how_many_videos_they_need_copies():
    measures = {"rank_me": RankMe(), "made_copies": CopyRetrieval(videos=5, with_labels=False)}
    assert copied_videos(measures) == 5
    assert copied_videos({"rank_me": RankMe()}) == 0
    bound = with_copies(measures, copies(torch.eye(3), [0, 1, 2]))
    assert bound["made_copies"](gallery=table(torch.eye(3), [0, 1, 2]), query=None) == {"copy_top1": 100.0}
    assert bound["rank_me"] is measures["rank_me"]


def test_one_video_is_too_few():
    with pytest.raises(InputError, match="got 1"):
        CopyRetrieval(videos=1, with_labels=False)
