"""What a user reads before the first step."""

from __future__ import annotations

import logging

from tests.unit.callback.recognizer_stage import module, stage

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.small_resnet import SmallResNet
from vclr_pl.callback.recognition_start import RecognitionStart, trained
from vclr_pl.optim.parameter_group import ShiftedNetworkGroups


def lines(caplog, recognizer, **changes):
    held = stage(**changes)
    with caplog.at_level(logging.INFO):
        RecognitionStart().on_fit_start(held, recognizer)
    return held, [record.getMessage() for record in caplog.records]


def test_the_data_the_rate_and_what_learns(caplog):
    held, found = lines(caplog, module(), log_every_n_steps=20)
    assert found[0] == "recognition: 2 classes, 6 training videos (6 to test), 3 segments each, 5 steps an epoch, 10 steps in all"
    assert found[1] == "learning rate: 0.01 at 256 videos a step (optimizer.reference_batch_size); here 16, so 0.000625"
    assert found[2] == "training the whole network: 0.00 of 0.00 M parameters; writing into runs/demo/now"
    assert held.log_every_n_steps == 1


def test_a_frozen_backbone_is_said(caplog):
    _, found = lines(caplog, module(mode="linear"), has_test=False)
    assert "(none to test)" in found[0]
    assert found[1].endswith("here 16, so 0.00625 with module.linear_lr_factor=10")
    assert found[2].startswith("training the linear layer alone, on a frozen backbone")


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
        "training the whole network: 0.31 of 0.31 M parameters "
        "(convolution weights x1, batch norms x1 without decay, head weight x5, head bias x10 without decay)"
    )
