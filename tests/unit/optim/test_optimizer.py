"""TSM's groups, parameter by parameter, against the published rules written as a loop over names."""

from __future__ import annotations

import pytest
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import nn

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.resnet import resnet
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.optim.optimizer import LinearScaledSGD, ShiftedNetworkGroups, UniformGroups
from vclr_pl.optim.schedule import StepDecay, StepFunctionLR
from vclr_pl.types import InputError


def test_the_rate_grows_with_the_global_batch_and_nothing_else_changes() -> None:
    recipe = LinearScaledSGD(lr=0.1, reference_batch_size=256, momentum=0.9, weight_decay=1e-4)
    optimizer = recipe.build(parameters=[torch.nn.Parameter(torch.ones(1))], global_batch_size=64)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"], group["dampening"]) == (0.025, 0.9, 1e-4, False, 0)


def test_gradients_can_be_clipped_under_mixed_precision() -> None:
    """A fused optimizer says that it unscales gradients itself, and Lightning then refuses to clip, on a CPU without any scaling too."""
    parameter = torch.nn.Parameter(torch.ones(4))
    parameter.grad = torch.full((4,), 3.0)
    recipe = LinearScaledSGD(lr=0.1, reference_batch_size=1, momentum=0.0, weight_decay=0.0)
    optimizer = recipe.build(parameters=[parameter], global_batch_size=1)
    MixedPrecision("bf16-mixed", "cpu").clip_gradients(optimizer, 1.5)
    optimizer.step()
    torch.testing.assert_close(parameter.detach(), torch.full((4,), 1 - 0.1 * 0.75))


PUBLISHED = ShiftedNetworkGroups(head_weight_factor=5, head_bias_factor=10, bias_factor=2)


def network(*, mode="full"):
    return RecognitionNetwork(
        backbone=resnet(name="resnet18"),
        classes=4,
        dropout=0.5,
        dropout_over="segment",
        head_std=0.001,
        shift=ResidualShift(segments=8, divisor=8),
        mode=mode,
    )


def expected(name):
    """(factor on the learning rate, whether it decays), from the parameter's name alone."""
    if name == "head.weight":
        return 5, True
    if name == "head.bias":
        return 10, False
    if "bn" in name or "downsample.1" in name:
        return 1, False
    return 1, True


def test_every_parameter_is_in_the_group_of_its_kind():
    model = network()
    found = {
        id(parameter): (group.lr_factor, group.decays) for group in PUBLISHED.of(model, head=model.head) for parameter in group.parameters
    }
    assert {name: found[id(parameter)] for name, parameter in model.named_parameters()} == {
        name: expected(name) for name, _ in model.named_parameters()
    }
    assert len(found) == sum(len(group.parameters) for group in PUBLISHED.of(model, head=model.head))


def test_convolution_biases_learn_twice_as_fast_and_do_not_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=True), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    groups = {group.name: group for group in PUBLISHED.of(model, head=model[3])}
    assert groups["convolution biases"].parameters == (model[0].bias,)
    assert (groups["convolution biases"].lr_factor, groups["convolution biases"].decays) == (2, False)
    assert groups["convolution weights"].parameters == (model[0].weight,)


def test_a_frozen_backbone_is_in_no_group():
    model = network(mode="linear")
    for groups in (PUBLISHED, UniformGroups()):
        parameters = {id(parameter) for group in groups.of(model, head=model.head) for parameter in group.parameters}
        assert parameters == {id(model.head.weight), id(model.head.bias)}


def test_uniform_is_one_group():
    model = network()
    (group,) = UniformGroups().of(model, head=model.head)
    assert (group.lr_factor, group.decays, len(group.parameters)) == (1.0, True, len(list(model.parameters())))


def test_an_unknown_layer_is_told():
    model = nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2))
    with pytest.raises(InputError, match="got LayerNorm"):
        PUBLISHED.of(model, head=model[1])


def test_the_optimizer_and_its_schedule_keep_the_factors():
    """At half the reference batch, before and after a decay; and the update itself, weight decay included."""
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    sgd = LinearScaledSGD(lr=0.0075, reference_batch_size=48, momentum=0.9, weight_decay=5e-4)
    optimizer = sgd.build_groups(groups=PUBLISHED.of(model, head=model[3]), global_batch_size=24)
    schedule = StepDecay(decay_epochs=[20, 40], decay_factor=0.1)
    scheduler = StepFunctionLR(optimizer, lr_at=lambda step: schedule.lr_at(step=step, base_lr=0.00375, steps_per_epoch=0.1))
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.00375, 0.00375, 0.01875, 0.0375])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [5e-4, 0, 5e-4, 0]
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, rate, decay in (("0.weight", 0.00375, 5e-4), ("1.weight", 0.00375, 0), ("3.weight", 0.01875, 5e-4), ("3.bias", 0.0375, 0)):
        after = before[name] - rate * (1 + decay * before[name])
        torch.testing.assert_close(dict(model.named_parameters())[name].detach(), after)
    scheduler.step()
    scheduler.step()
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.000375, 0.000375, 0.001875, 0.00375])
