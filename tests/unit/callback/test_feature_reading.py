from __future__ import annotations

import pytest
import torch
from tests.unit.callback.labeled_data import BROKEN, data
from tests.unit.callback.stage import trainer
from torch import distributed as dist

from vclr_pl.callback.feature_reading import evenly_spaced, measure_encoder, read_features
from vclr_pl.evaluation.neighbors import Retrieval

FIGURES = {"precision": "32-true", "frames_per_pass": 5}


class MeanColor(torch.nn.Module):
    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.mean((-1, -2))


def test_a_table_has_a_row_for_each_video():
    table = read_features(trainer=trainer(datamodule=data()), encoder=MeanColor(), split="train", **FIGURES)
    assert table.path == tuple(f"video_{index}.mp4" for index in range(6))
    torch.testing.assert_close(table.features[0], torch.tensor([1.0, 0.1]))
    assert table.class_names == ("dark", "light")


@pytest.mark.parametrize("has_test", [True, False])
def test_measures_get_gallery_and_query(has_test):
    seen = {}

    def measure(*, gallery, query):
        seen.update(gallery=gallery, query=query)
        return {"figure": 1.0}

    stage = trainer(datamodule=data(has_test=has_test, broken=(BROKEN,)))
    measured = measure_encoder(trainer=stage, encoder=MeanColor(), measures={"any": measure}, unlabeled_videos=2, **FIGURES)
    assert measured.percent == {"figure": 1.0}
    assert measured.broken[0] == BROKEN
    torch.testing.assert_close(seen["gallery"].features[0], torch.tensor([1.0, 0.1]))
    if has_test:
        torch.testing.assert_close(seen["query"].features[0], torch.tensor([1.01, 0.11]))
    else:
        assert seen["query"] is None


class NeedsNoLabels:
    needs_labels = False

    def __call__(self, *, gallery, query):
        self.gallery, self.query = gallery, query
        return {"videos": float(len(gallery))}


def test_without_labels_a_sample_is_read_for_the_measures_that_need_none():
    measure = NeedsNoLabels()
    measures = {"mine": measure, "retrieval": Retrieval(ranks=[1])}
    stage = trainer(datamodule=data(labeled=False))
    measured = measure_encoder(trainer=stage, encoder=MeanColor(), measures=measures, unlabeled_videos=3, **FIGURES)
    assert measured.percent == {"videos": 3.0}
    assert measure.gallery.path == ("video_0.mp4", "video_2.mp4", "video_5.mp4")
    assert measure.query is None
    assert (measured.queries, measured.chance) == (0, {})


@pytest.mark.parametrize(("count", "wanted", "chosen"), [(5, 9, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (7, 1, [0]), (0, 4, [])])
def test_a_sample_reaches_from_the_first_to_the_last_video(count, wanted, chosen):
    assert evenly_spaced(count, wanted=wanted) == chosen


class OwnRank:
    """A measure that names the process that computes it."""

    needs_labels = False

    def __init__(self):
        self.calls = 0

    def __call__(self, *, gallery, query):
        self.calls += 1
        return {"rank": float(dist.get_rank())}


def _measured():
    measure = OwnRank()
    stage = trainer(datamodule=data())
    found = measure_encoder(trainer=stage, encoder=MeanColor(), measures={"own": measure}, unlabeled_videos=3, **FIGURES)
    return found.percent, measure.calls


def test_one_of_two_processes_computes_the_measures(two_processes):
    assert two_processes(_measured) == [({"rank": 0.0}, 1), ({"rank": 0.0}, 0)]
