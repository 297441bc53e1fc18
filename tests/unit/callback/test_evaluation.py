from __future__ import annotations

import logging

import pytest
import torch
from tests.unit.callback.labeled_data import BROKEN, data
from tests.unit.callback.stage import trainer
from torch import nn

from vclr_pl.callback.evaluation import EncoderEvaluation
from vclr_pl.evaluation.neighbors import Retrieval
from vclr_pl.evaluation.rank_me import RankMe
from vclr_pl.types import InputError

MEASURES = {"retrieval": Retrieval(ranks=[1]), "rank_me": RankMe()}


class Scaled(nn.Module):
    """Features along the classes' own axis times `sign` of one class: at 0 both classes look alike."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.eye(2))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.mean((-1, -2)) @ self.turn


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = Scaled()

    def features(self, frames: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.encoder(frames)
        return pooled


def evaluation(**changes: bool) -> EncoderEvaluation:
    figures = {"enabled": True, "baseline": True} | changes
    return EncoderEvaluation(precision="32-true", frames_per_pass=8, unlabeled_videos=6, measures=MEASURES, **figures)


def run(callback: EncoderEvaluation, **changes: object) -> EncoderEvaluation:
    stage, module = trainer(**({"datamodule": data()} | changes)), Module()
    callback.keep_start(module, name="random initialization")
    with torch.no_grad():
        module.encoder.turn.zero_()  # what training has made of it: everything is alike
    callback.on_fit_start(stage, module)
    callback.on_train_end(stage, module)
    return callback


def test_the_initialization_is_what_was_kept_before_training():
    callback = run(evaluation())
    assert callback.baseline["retrieval_r1"] == 100.0
    assert callback.metrics["retrieval_r1"] < 100.0
    assert set(callback.timings_seconds) == {"baseline_evaluation", "fit", "evaluation"}
    assert callback.start is None


def test_without_labels_start_and_result_have_the_measures_that_need_none(caplog):
    with caplog.at_level(logging.INFO):
        callback = run(evaluation(), datamodule=data(labeled=False))
    assert list(callback.metrics) == ["rank_me"]
    assert callback.baseline["rank_me"] > callback.metrics["rank_me"]
    assert [record.getMessage() for record in caplog.records].count("the data has no labels: skipping retrieval") == 1


def test_data_without_labels_and_measures_that_need_them_are_not_read():
    callback = EncoderEvaluation(
        enabled=True,
        baseline=True,
        precision="32-true",
        frames_per_pass=8,
        unlabeled_videos=6,
        measures={"retrieval": Retrieval(ranks=[1])},
    )
    unread = data(labeled=False)
    unread.evaluation_dataloader = None
    assert run(callback, datamodule=unread).metrics == {}


@pytest.mark.parametrize("changes", [{"enabled": False}, {"baseline": False}])
def test_it_can_be_told_not_to(changes):
    callback = run(evaluation(**changes))
    assert callback.baseline == {}
    assert bool(callback.metrics) == changes.get("enabled", True)


def test_a_trial_run_is_not_evaluated():
    assert run(evaluation(), fast_dev_run=True).metrics == {}


def test_left_out_videos_are_told(caplog):
    with caplog.at_level(logging.WARNING):
        run(evaluation(), datamodule=data(broken=(BROKEN,)))
    assert "left out of the evaluation, the first is video_9.mp4" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize("precision", [32, "bf16", "bf16-true"])
def test_an_unknown_precision_is_told_before_training(precision):
    with pytest.raises(InputError, match=f"32-true, bf16-mixed, 16-mixed; got {precision}"):
        EncoderEvaluation(precision=precision, frames_per_pass=8, unlabeled_videos=6, measures={}, enabled=True, baseline=True)
    EncoderEvaluation(precision=precision, frames_per_pass=8, unlabeled_videos=6, measures={}, enabled=False, baseline=True)


@pytest.mark.parametrize(("stored", "wanted", "kept"), [("recall", True, True), ("another", True, False), ("recall", False, False)])
def test_a_resumed_run_keeps_a_baseline_of_its_measures(stored, wanted, kept):
    measures = {"recall": Retrieval(ranks=[1]), "newer": RankMe()}
    earlier = EncoderEvaluation(
        enabled=True, baseline=True, precision="32-true", frames_per_pass=4, unlabeled_videos=6, measures={stored: measures["recall"]}
    )
    earlier.baseline = {"retrieval_r1": 12.5}
    resumed = EncoderEvaluation(
        enabled=True, baseline=wanted, precision="32-true", frames_per_pass=4, unlabeled_videos=6, measures=measures
    )
    resumed.load_state_dict(earlier.state_dict())
    assert resumed.baseline == ({"retrieval_r1": 12.5} if kept else {})
