"""TSM's groups, parameter by parameter, against the published rules written as a loop over names."""

from __future__ import annotations

import pytest
import torch
from pytorch_lightning.plugins.precision import MixedPrecision
from torch import nn

from vclr_pl.backbone.recognition_network import RecognitionNetwork
from vclr_pl.backbone.resnet import resnet
from vclr_pl.backbone.temporal_shift import ResidualShift
from vclr_pl.optim.optimizer import (
    LayerwiseGroups,
    LinearScaledAdamW,
    LinearScaledLARS,
    LinearScaledSGD,
    ShiftedNetworkGroups,
    UniformGroups,
)
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
        id(parameter): (group.lr_factor, group.decays)
        for group in PUBLISHED.of(model, backbone=model.backbone, head=model.head)
        for parameter in group.parameters
    }
    assert {name: found[id(parameter)] for name, parameter in model.named_parameters()} == {
        name: expected(name) for name, _ in model.named_parameters()
    }
    assert len(found) == sum(len(group.parameters) for group in PUBLISHED.of(model, backbone=model.backbone, head=model.head))


def test_convolution_biases_learn_twice_as_fast_and_do_not_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=True), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    groups = {group.name: group for group in PUBLISHED.of(model, backbone=model[:3], head=model[3])}
    assert groups["convolution biases"].parameters == (model[0].bias,)
    assert (groups["convolution biases"].lr_factor, groups["convolution biases"].decays) == (2, False)
    assert groups["convolution weights"].parameters == (model[0].weight,)


def test_a_frozen_backbone_is_in_no_group():
    model = network(mode="linear")
    for groups in (PUBLISHED, UniformGroups()):
        parameters = {
            id(parameter) for group in groups.of(model, backbone=model.backbone, head=model.head) for parameter in group.parameters
        }
        assert parameters == {id(model.head.weight), id(model.head.bias)}


def test_uniform_is_one_group():
    model = network()
    (group,) = UniformGroups().of(model, backbone=model.backbone, head=model.head)
    assert (group.lr_factor, group.decays, len(group.parameters)) == (1.0, True, len(list(model.parameters())))


def test_an_unknown_layer_is_told():
    model = nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2))
    with pytest.raises(InputError, match="got LayerNorm"):
        PUBLISHED.of(model, backbone=model[:1], head=model[1])


def test_the_optimizer_and_its_schedule_keep_the_factors():
    """At half the reference batch, before and after a decay; and the update itself, weight decay included."""
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    sgd = LinearScaledSGD(lr=0.0075, reference_batch_size=48, momentum=0.9, weight_decay=5e-4)
    optimizer = sgd.build_groups(groups=PUBLISHED.of(model, backbone=model[:3], head=model[3]), global_batch_size=24)
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


def layered(model):
    return LayerwiseGroups(layer_decay=0.5, head_lr_factor=3.0).of(model, backbone=model.backbone, head=model.head)


def test_layerwise_rates_halve_from_stage_to_stage() -> None:
    model = network()
    factor = {id(parameter): group.lr_factor for group in layered(model) for parameter in group.parameters}
    by_stage = {"conv1": 0.5**4, "layer1": 0.5**3, "layer2": 0.25, "layer3": 0.5, "layer4": 1.0, "bn1": 0.5**4}
    for name, parameter in model.named_parameters():
        expected = 3.0 if name.startswith("head.") else by_stage[name.split(".")[1]]
        assert factor[id(parameter)] == expected, name


def test_norms_and_biases_do_not_decay_and_adamw_is_torchs() -> None:
    """Two steps against `torch.optim.AdamW` on two groups made by hand."""
    torch.manual_seed(0)
    ours = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    theirs = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4))
    theirs.load_state_dict(ours.state_dict())
    recipe = LinearScaledAdamW(lr=0.01, reference_batch_size=64, weight_decay=0.5, betas=(0.8, 0.9), decays_norms_and_biases=False)
    one = recipe.build(parameters=ours.parameters(), global_batch_size=128)
    flat = [theirs[0].bias, theirs[1].weight, theirs[1].bias]
    groups = [{"params": [theirs[0].weight]}, {"params": flat, "weight_decay": 0.0}]
    other = torch.optim.AdamW(groups, lr=0.02, betas=(0.8, 0.9), weight_decay=0.5)
    for _ in range(2):
        for model, optimizer in ((ours, one), (theirs, other)):
            optimizer.zero_grad()
            model(torch.ones(2, 3)).square().sum().backward()
            optimizer.step()
    for left, right in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(left, right)
    assert {group["name"]: group["weight_decay"] for group in one.param_groups} == {"all": 0.5, "all, norms and biases": 0.0}


def test_lars_scales_an_update_to_the_weights_and_leaves_biases_alone() -> None:
    """The first step by hand: lr x trust x |w| / |g| for weights (You et al. 2017, without decay), lr for biases."""
    weight, bias = nn.Parameter(torch.full((2, 2), 2.0)), nn.Parameter(torch.ones(2))
    recipe = LinearScaledLARS(
        lr=0.5, reference_batch_size=1, weight_decay=0.1, momentum=0.9, trust_coefficient=0.01, decays_norms_and_biases=False
    )
    optimizer = recipe.build(parameters=[weight, bias], global_batch_size=1)
    weight.grad, bias.grad = torch.full((2, 2), 3.0), torch.full((2,), 3.0)
    optimizer.step()
    trust = 0.01 * 4.0 / (6.0 + 0.1 * 4.0)
    torch.testing.assert_close(weight.detach(), torch.full((2, 2), 2.0 - 0.5 * trust * (3.0 + 0.1 * 2.0)), rtol=1e-5, atol=0)
    torch.testing.assert_close(bias.detach(), torch.full((2,), 1.0 - 0.5 * 3.0))


def test_factors_out_of_range_and_tsm_in_pretraining_are_refused() -> None:
    for values in ({"layer_decay": 0.0, "head_lr_factor": 1.0}, {"layer_decay": 1.0, "head_lr_factor": 0.0}):
        with pytest.raises(InputError, match="factor above 0"):
            LayerwiseGroups(**values)
    with pytest.raises(InputError, match="parameter_groups=uniform"):
        PUBLISHED.of(nn.Identity(), backbone=nn.Identity(), head=None)
