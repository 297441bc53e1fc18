"""Kept features: each view in its place, over ranks; epochs use the views in turn."""

from __future__ import annotations

import pytest
import torch

from vclr_pl.data import view_features
from vclr_pl.data.view_features import ViewFeatureDataset, collate_view_features, views_of
from vclr_pl.types import LabeledFeatures


def read(keys):
    """Features that name their view, in batches of two; the label of a video is its index modulo 2."""
    rows = [
        LabeledFeatures(
            features=torch.tensor([[[100.0 * view + video]]]), label=torch.tensor([video % 2]), video_index=torch.tensor([video])
        )
        for view, video in keys
    ]
    return [collate_view_features(rows[start : start + 2]) for start in range(0, len(rows), 2)]


def test_views_of_a_video_follow_one_another():
    assert views_of(videos=3, views=2, rank=0, ranks=1) == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert views_of(videos=3, views=2, rank=1, ranks=2) == [(0, 1), (1, 1)]


@pytest.mark.parametrize("ranks", [1, 2])
def test_epochs_use_the_views_in_turn(ranks, monkeypatch):
    shares = [views_of(videos=5, views=3, rank=rank, ranks=ranks) for rank in range(ranks)]
    gathered = [(keys, view_features._tensors(read(keys))) for keys in shares]
    monkeypatch.setattr(view_features, "gather_objects", lambda own: gathered)  # what a process of each rank would give
    dataset = ViewFeatureDataset(read=read(shares[0]), keys=shares[0], videos=5, views=3)
    for epoch in range(7):
        batch = collate_view_features([dataset[epoch, video] for video in (4, 0, 3)])
        assert batch.features.flatten().tolist() == [100.0 * (epoch % 3) + video for video in (4, 0, 3)]
        assert batch.label.tolist() == [0, 0, 1]
        assert batch.video_index.tolist() == [4, 0, 3]
    assert (len(dataset), len(batch), dataset.size_bytes) == (5, 3, 15 * 4)


def test_a_replaced_video_keeps_the_label_of_its_replacement():
    found = [LabeledFeatures(features=torch.zeros(2, 1, 4), label=torch.tensor([7, 8]), video_index=torch.tensor([1, 1]))]
    dataset = ViewFeatureDataset(read=found, keys=[(0, 0), (0, 1)], videos=2, views=1)
    assert (dataset[5, 0].label.item(), dataset[5, 0].video_index.item()) == (7, 1)
