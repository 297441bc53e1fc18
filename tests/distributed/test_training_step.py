"""Two gloo processes, each with its own videos: what must be equal on both after every step, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.unit.pretrain.built import small_batch, small_module
from torch import distributed as dist

from vclr_pl.pretrain.view_encoding import SeparateEncoding, SharedEncoding, ViewEncoding


@pytest.mark.parametrize("encoding", [SeparateEncoding(), SharedEncoding()], ids=["separate", "shared"])
def test_queues_and_weights_are_equal_on_both_ranks_after_every_step(
    encoding: ViewEncoding, two_processes: Callable[..., list[Any]]
) -> None:
    first, second = two_processes(_three_steps, encoding)
    for step, (own, other) in enumerate(zip(first, second, strict=True)):
        for name in own:
            same = torch.equal(own[name], other[name])
            assert same == (not name.endswith("running_mean")), f"step {step}: {name}"
    assert first[0]["inter pointer"] == 24  # three keys of each of eight videos
    assert first[2]["inter pointer"] == 72 % 32


def _three_steps(encoding: ViewEncoding) -> list[dict[str, torch.Tensor]]:
    module = small_module(encoding=encoding)
    parameters = [*module.encoder.parameters(), *module.objective.parameters()]
    optimizer = module.optimizer.build(parameters=parameters, global_batch_size=256)
    records = []
    for step in range(3):
        total = module.training_step(small_batch(seed=10 * step + dist.get_rank()))
        optimizer.zero_grad()
        total.backward()
        for parameter in parameters:
            dist.all_reduce(parameter.grad)
            parameter.grad /= 2  # type: ignore[operator]
        module.on_after_backward()
        optimizer.step()
        module.momentum_encoder.update(module.encoder)
        records.append(_shared_state(module))
    return records


def _shared_state(module: Any) -> dict[str, torch.Tensor]:
    state = {f"{name} rows": queue.rows.clone() for name, queue in module.queues.items()}
    state |= {f"{name} pointer": queue.pointer.clone() for name, queue in module.queues.items()}
    state |= {f"momentum {name}": value.detach().clone() for name, value in module.momentum_encoder.named_parameters()}
    state["query running_mean"] = module.encoder.backbone.bn1.running_mean.clone()
    return state


def test_keys_are_normalized_among_other_videos_than_on_one_rank_alone(two_processes: Callable[..., list[Any]]) -> None:
    """Shuffle-BN: a rank's keys differ from those that it would encode on its own, though their mean over ranks need not."""
    for moved in two_processes(_keys_differ_from_unshuffled):
        assert moved > 1e-3


def _keys_differ_from_unshuffled() -> float:
    module, batch = small_module(), small_batch(seed=dist.get_rank())
    shuffled = module.encode_keys(batch).tuple
    module.draw_permutation = lambda: lambda rows: torch.arange(2 * rows)  # type: ignore[method-assign]
    return float((shuffled - module.encode_keys(batch).tuple).abs().max())
