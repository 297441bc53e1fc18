"""The training step with compiled backbones: no graph break, no recompilation after the first step, the results of the step as it is.

Training has no smaller last batch: `EpochSampler` leaves such videos for another epoch. The backend `aot_eager` traces forward and
backward as any backend does, and runs the operations themselves, so the test needs no compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.unit.pretrain.built import small_batch, small_module
from torch._dynamo.backends.debugging import aot_eager

from vclr_pl.pretrain.vclr_module import VCLRModule
from vclr_pl.pretrain.view_encoding import SeparateEncoding, SharedEncoding, ViewEncoding

STEPS = [small_batch(seed=seed) for seed in range(4)]


def losses(module: VCLRModule) -> list[float]:
    """Of steps as in training: backward, keys into the queues, optimizer, moving average. A recompilation after the first raises."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    found = []
    for place, batch in enumerate(STEPS):
        with torch._dynamo.config.patch(error_on_recompile=place > 0):
            optimizer.zero_grad()
            loss = module.training_step(batch)
            loss.backward()
            module.on_after_backward()
            optimizer.step()
            module.momentum_encoder.update(module.encoder)
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("encoding", [SharedEncoding(), SeparateEncoding()], ids=["shared", "separate"])
def test_compiled_backbones_change_no_step_and_compile_once(encoding: ViewEncoding) -> None:
    torch._dynamo.reset()
    plain, compiled = small_module(encoding=encoding), small_module(encoding=encoding)
    traced: list[torch.fx.GraphModule] = []

    def traced_and_run(graph: torch.fx.GraphModule, examples: list[torch.Tensor]) -> Callable[..., Any]:
        traced.append(graph)
        return aot_eager(graph, examples)

    for backbone in (compiled.encoder.backbone, compiled.momentum_encoder.encoder.backbone):
        backbone.compile(fullgraph=True, backend=traced_and_run)  # a graph break raises
    assert losses(compiled) == pytest.approx(losses(plain), rel=1e-5)
    assert traced  # they were compiled at all
    for (name, value), other in zip(compiled.state_dict().items(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(value, other, atol=1e-5, rtol=1e-4, msg=name)
