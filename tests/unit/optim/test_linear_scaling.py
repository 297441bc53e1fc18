from __future__ import annotations

import torch

from vclr_pl.optim.linear_scaling import LinearScaledSGD


def test_the_rate_grows_with_the_global_batch_and_nothing_else_changes() -> None:
    recipe = LinearScaledSGD(lr=0.1, reference_batch_size=256, momentum=0.9, weight_decay=1e-4)
    optimizer = recipe.build(parameters=[torch.nn.Parameter(torch.ones(1))], global_batch_size=64)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["momentum"], group["weight_decay"], group["nesterov"], group["dampening"]) == (0.025, 0.9, 1e-4, False, 0)
