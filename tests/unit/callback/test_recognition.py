"""What a user reads before the first step.
The test after the last step, and between epochs where asked.
"""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest
import torch
from tests.unit.callback.labeled_data import BROKEN, videos
from tests.unit.callback.recognizer_stage import module, stage

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.resnet import SmallResNet
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.callback.checkpoint import ReadsAfterEpochs
from vclr_pl.callback.recognition import RecognitionEvaluation, RecognitionStart, trained
from vclr_pl.optim.optimizer import ShiftedNetworkGroups
from vclr_pl.types import InputError


def lines(caplog, recognizer, **changes):
    held = stage(**changes)
    with caplog.at_level(logging.INFO):
        RecognitionStart().on_fit_start(held, recognizer)
    return held, [record.getMessage() for record in caplog.records]


def test_the_data_the_rate_and_what_learns(caplog):
    held, found = lines(caplog, module(), log_every_n_steps=20)
    assert found[0].startswith("videos: 6 for training, 6 for testing; ")
    assert found[1] == "steps: 5 an epoch, 10 in all, 16 videos a step"
    assert [line.partition(":")[0] for line in found[2:4]] == ["memory", "disk"]
    assert found[4] == "recognition: 2 classes, 3 segments of each video"
    assert found[5] == "learning rate: 0.01 at 256 videos a step (optimizer.reference_batch_size); here 16, so 0.000625"
    assert found[6] == "the whole network trains: 10 parameters"
    assert held.log_every_n_steps == 1


def test_a_frozen_backbone_is_said(caplog):
    _, found = lines(caplog, module(mode="linear"), has_test=False)
    assert found[0].startswith("videos: 6 for training; ")
    assert found[5].endswith("here 16, so 0.00625 with module.linear_lr_factor=10")
    assert found[6].startswith("the linear layer trains: 6 parameters; the backbone's 4 stay fixed")


def test_one_rank_speaks(caplog):
    assert lines(caplog, module(), is_global_zero=False)[1] == []


def test_groups_are_told():
    recognizer = module()
    recognizer.recognizer = RecognitionNetwork(
        backbone=SmallResNet(widths=[64, 128], stem_stride=1),
        classes=10,
        dropout=0.0,
        dropout_over="video",
        head_std=0.1,
        shift=None,
        mode="full",
    )
    recognizer.parameter_groups = ShiftedNetworkGroups(head_weight_factor=5, head_bias_factor=10, bias_factor=2)
    assert trained(recognizer) == (
        "the whole network trains: 307,274 parameters "
        "(convolution weights x1, batch norms x1 without decay, head weight x5, head bias x10 without decay)"
    )


def evaluation(**changes):
    return RecognitionEvaluation(**({"enabled": True, "every_n_epochs": 0, "precision": "32-true", "frames_per_pass": 5} | changes))


def test_a_recognizer_is_tested_after_its_last_step():
    callback, recognizer = evaluation(), module()
    recognizer.train()
    callback.on_train_end(stage(), recognizer)
    assert callback.scores.metrics() == {"recognition_top1": 100.0, "recognition_mean_class": 100.0}
    assert torch.equal(callback.logits.label, torch.tensor([0, 0, 0, 1, 1, 1]))
    assert torch.allclose(callback.logits.features[0], torch.tensor([1.01, 0.11]))
    assert recognizer.training
    assert recognizer.recognizer.backbone.sizes == [5, 5, 2]
    assert set(callback.timings_seconds) == {"fit", "evaluation"}


def test_frames_that_look_at_one_another_stay_together():
    recognizer = module()
    recognizer.recognizer.shift = ResidualShift(segments=2, divisor=8)
    evaluation().on_train_end(stage(), recognizer)
    assert recognizer.recognizer.backbone.sizes == [4, 4, 4]
    recognizer.recognizer.backbone.sizes.clear()
    evaluation(frames_per_pass=1).on_train_end(stage(), recognizer)
    assert recognizer.recognizer.backbone.sizes == [2] * 6


def test_broken_videos_are_told(caplog):
    callback = evaluation()
    with caplog.at_level(logging.WARNING):
        callback.on_train_end(stage(broken=(BROKEN,)), module())
    assert callback.logits.broken == (BROKEN,)
    assert "1 of 7 test videos could not be read and are left out of the accuracies" in caplog.text
    assert "video_9.mp4" in caplog.text


@pytest.mark.parametrize(
    ("changes", "options", "told"),
    [({"has_test": False}, {}, "no test list"), ({"fast_dev_run": True}, {}, ""), ({}, {"enabled": False}, "")],
)
def test_where_nothing_is_tested(changes, options, told, caplog):
    callback = evaluation(**options)
    with caplog.at_level(logging.INFO):
        callback.on_train_end(stage(**changes), module())
    assert callback.scores is callback.logits is None
    assert told in caplog.text


def test_between_epochs_where_asked(monkeypatch):
    logged, recognizer = {}, module()
    monkeypatch.setattr(recognizer, "log_dict", lambda values, **_: logged.update(values))
    evaluation(every_n_epochs=2).on_train_epoch_end(stage(current_epoch=0, max_epochs=4), recognizer)
    evaluation(every_n_epochs=2).on_train_epoch_end(stage(current_epoch=3, max_epochs=4), recognizer)
    evaluation(every_n_epochs=0).on_train_epoch_end(stage(current_epoch=1, max_epochs=4), recognizer)
    assert not logged
    evaluation(every_n_epochs=2).on_train_epoch_end(stage(current_epoch=1, max_epochs=4), recognizer)
    assert logged == {"val/top1": 100.0, "val/mean_class": 100.0}
    assert isinstance(evaluation(every_n_epochs=2), ReadsAfterEpochs)  # before it, the run is saved


@pytest.mark.parametrize("precision", [32, "bf16", "bf16-true"])
def test_an_unknown_precision_is_told_before_training(precision):
    with pytest.raises(InputError, match=f"32-true, bf16-mixed, 16-mixed; got {precision}"):
        evaluation(precision=precision)
    assert not evaluation(precision=precision, enabled=False).enabled


def test_a_test_list_without_a_readable_video_is_told():
    place = stage()
    unreadable = [replace(batch, valid=torch.zeros_like(batch.valid)) for batch in videos("test")]
    place.datamodule.evaluation_dataloader = lambda split, **_: unreadable
    with pytest.raises(
        InputError, match=r"test videos that can be read; got none, 6 failed, the first is 'video_0\.mp4' .*resume=RUN_FOLDER"
    ):
        evaluation().on_train_end(place, module())
