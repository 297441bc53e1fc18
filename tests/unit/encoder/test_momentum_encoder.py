from __future__ import annotations

import torch

from vclr_pl.backbone.small_resnet import SmallResNet
from vclr_pl.encoder.momentum_encoder import MomentumEncoder
from vclr_pl.encoder.video_encoder import ProjectionHead, VideoEncoder


def encoder() -> VideoEncoder:
    return VideoEncoder(backbone=SmallResNet(widths=[4, 8], stem_stride=2), heads={"inter": ProjectionHead(feature_dim=8, dim=4)})


def test_parameters_follow_and_buffers_do_not() -> None:
    query = encoder()
    momentum = MomentumEncoder(query, momentum=0.9, copy_buffers=True)
    before = [parameter.clone() for parameter in momentum.encoder.parameters()]
    with torch.no_grad():
        for parameter in query.parameters():
            parameter.add_(1.0)
    query(torch.randn(2, 3, 16, 16))  # moves the query's batch-norm statistics
    momentum.update(query)
    for own, start, other in zip(momentum.encoder.parameters(), before, query.parameters(), strict=True):
        torch.testing.assert_close(own, 0.9 * start + 0.1 * other)
    assert not torch.equal(momentum.encoder.backbone.bn1.running_mean, query.backbone.bn1.running_mean)


def test_nothing_of_it_is_trained() -> None:
    assert not any(parameter.requires_grad for parameter in MomentumEncoder(encoder(), momentum=0.9, copy_buffers=False).parameters())


def test_buffers_are_copied_at_start_only_on_wish() -> None:
    query = encoder()
    query(torch.randn(2, 3, 16, 16))
    statistics = query.backbone.bn1.running_mean
    copied = MomentumEncoder(query, momentum=0.9, copy_buffers=True).encoder.backbone.bn1
    fresh = MomentumEncoder(query, momentum=0.9, copy_buffers=False).encoder.backbone.bn1
    assert torch.equal(copied.running_mean, statistics)
    assert torch.equal(fresh.running_mean, torch.zeros(4))
    assert int(fresh.num_batches_tracked) == 0


def test_restart_takes_over_weights_that_were_loaded_later() -> None:
    query = encoder()
    momentum = MomentumEncoder(query, momentum=0.9, copy_buffers=False)
    with torch.no_grad():
        query.heads["inter"][0].weight.fill_(2.0)
    momentum.restart(query)
    assert momentum.encoder.heads["inter"][0].weight.unique().tolist() == [2.0]
