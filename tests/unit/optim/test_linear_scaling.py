from __future__ import annotations

import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from vclr_pl.optim.linear_scaling import LinearScaledSGD


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
