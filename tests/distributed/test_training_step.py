"""Two gloo processes, each with its own videos: what must be equal on both after every step, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.color_draws import published_color
from tests.unit.pretrain.built import DIM, small_batch, small_module
from torch import distributed as dist

from vclr_pl.objective.byol import Byol
from vclr_pl.pretrain.vclr_module import VCLRModule
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


def test_head_and_predictor_of_byol_are_equal_on_both_ranks(two_processes: Callable[..., list[Any]]) -> None:
    first, second = two_processes(_three_steps_of_byol)
    for own, other in zip(first, second, strict=True):
        assert {name for name in own if not torch.equal(own[name], other[name])} == {"query running_mean"}
    predictor = [record["objective terms.byol.predictor.0.weight"] for record in first]
    assert not torch.equal(predictor[0], predictor[2])


def _three_steps_of_byol() -> list[dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return _steps_of(small_module(encoding=SharedEncoding(), keep=("none",), also={"byol": Byol(weight=1.0, dim=DIM, hidden_dim=8)}))


def _three_steps(encoding: ViewEncoding) -> list[dict[str, torch.Tensor]]:
    return _steps_of(small_module(encoding=encoding))


def _steps_of(module: VCLRModule) -> list[dict[str, torch.Tensor]]:
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
    state |= {f"objective {name}": value.detach().clone() for name, value in module.objective.named_parameters()}
    state["query running_mean"] = module.encoder.backbone.bn1.running_mean.clone()
    return state


def test_keys_are_normalized_among_other_videos_than_on_one_rank_alone(two_processes: Callable[..., list[Any]]) -> None:
    """Shuffle-BN: a rank's keys differ from those that it would encode on its own, though their mean over ranks need not."""
    for moved in two_processes(_keys_differ_from_unshuffled):
        assert moved > 1e-3


def _keys_differ_from_unshuffled() -> float:
    module, batch = small_module(), small_batch(seed=dist.get_rank())
    shuffled = module.encode_keys(batch).tuple
    module.key_encoding.shuffles = lambda **_: None  # type: ignore[method-assign]
    return float((shuffled - module.encode_keys(batch).tuple).abs().max())


@pytest.mark.parametrize("shared", [False, True], ids=["separate", "shared"])
def test_one_device_in_groups_computes_what_two_devices_compute(shared: bool, two_processes: Callable[..., list[Any]]) -> None:
    """One process with eight videos in groups of two, and two processes with four videos each."""
    assert_one_device_computes_the_same(two_processes(_step_in_groups, shared, 8), shared=shared, videos=8)


def test_one_device_in_groups_computes_what_eight_devices_compute(eight_processes: Callable[..., list[Any]]) -> None:
    """One process with 16 videos in groups of two, and eight processes with two videos each."""
    assert_one_device_computes_the_same(eight_processes(_step_in_groups, True, 16), shared=True, videos=16)


def assert_one_device_computes_the_same(ranks: list[dict[str, Any]], *, shared: bool, videos: int) -> None:
    """The same keys, losses and gradients."""
    module, batch = _module_in_groups(shared), small_batch(videos=videos)
    loss = module.training_step(replace(batch, views=batch.views.double()))
    loss.backward()
    for name, keys in module.awaiting_enqueue.items():
        rows = keys.unflatten(0, (-1, videos))  # view, video; on several ranks view, rank, video
        by_rank = torch.cat([rows[:, rank :: len(ranks)] for rank in range(len(ranks))], dim=1).flatten(0, 1)
        torch.testing.assert_close(by_rank, ranks[0]["keys"][name], rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(loss.detach(), mean([rank["loss"] for rank in ranks]), rtol=1e-9, atol=1e-12)
    for name, parameter in module.encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, mean([rank["gradients"][name] for rank in ranks]), rtol=1e-7, atol=1e-10)


def mean(tensors: list[torch.Tensor]) -> torch.Tensor:
    return torch.stack(tensors).mean(dim=0)


def _module_in_groups(shared: bool) -> Any:
    return small_module(encoding=(SharedEncoding if shared else SeparateEncoding)(batch_norm_videos=2)).double()


def _step_in_groups(shared: bool, videos: int) -> dict[str, Any]:
    module = _module_in_groups(shared)
    whole = small_batch(videos=videos)
    own = replace(
        whole,
        **{name: value[dist.get_rank() :: dist.get_world_size()] for name, value in vars(whole).items() if isinstance(value, torch.Tensor)},
    )
    loss = module.training_step(replace(own, views=own.views.double()))
    loss.backward()
    return {
        "loss": loss.detach(),
        "keys": dict(module.awaiting_enqueue),
        "gradients": {name: parameter.grad for name, parameter in module.encoder.named_parameters()},
    }


@pytest.mark.parametrize("encoding", [SeparateEncoding(), SharedEncoding()], ids=["separate", "shared"])
def test_key_views_travel_as_bytes_to_one_rank_each(encoding: ViewEncoding, two_processes: Callable[..., list[Any]]) -> None:
    """The step from views that were exchanged before the color augmentation is the step from views exchanged after it."""
    for before, after, sent_bytes, published_bytes in two_processes(_exchanged_before_and_after, encoding):
        for name in before:
            torch.testing.assert_close(before[name], after[name], rtol=1e-5, atol=1e-6)
        assert sent_bytes <= 0.13 * published_bytes  # two ranks: half of the views stay; at eight ranks 3%


def _exchanged_before_and_after(encoding: ViewEncoding) -> Any:
    module, color = small_module(encoding=encoding), published_color()
    batch = small_batch(seed=dist.get_rank())
    views = torch.randint(256, batch.views.shape, generator=torch.Generator().manual_seed(dist.get_rank()), dtype=torch.uint8)
    parameters = color.draw(28, np.random.default_rng(dist.get_rank())).unflatten(0, (4, 7))
    raw = replace(batch, views=views, color_parameters=parameters)

    def colored(given: Any) -> torch.Tensor:
        return color.apply(given.views.flatten(0, 1), given.color_parameters.flatten(0, 1)).unflatten(0, given.views.shape[:2])

    received = module.receive_keys(raw)
    sent = sum(key.views.nbytes for key in received) / 2  # of random places, half are on the other rank
    keys = replace(raw, views=colored(raw)[:, :3], received=tuple(replace(key, views=colored(key)) for key in received))
    module.batches_seen = lambda: 1  # type: ignore[method-assign]  # a batch is received before it is counted
    before = module.project_keys(module.encode_keys(keys))
    after = module.project_keys(module.encode_keys(replace(raw, views=colored(raw))))
    everything = 2 * 4 * sum(key.views.numel() for key in received)  # every rank gets every rank's floats
    return before, after, sent, everything


@pytest.mark.parametrize("encoding", [SeparateEncoding(), SharedEncoding()], ids=["separate", "shared"])
def test_key_views_of_eight_devices_take_a_twentieth_of_the_published_bytes(
    encoding: ViewEncoding, eight_processes: Callable[..., list[Any]]
) -> None:
    """What leaves each device: its views and color parameters, against the floats that the published gather sends to the seven others."""
    moved = eight_processes(_moved_bytes, encoding)
    sent, published = (sum(counts) for counts in zip(*moved, strict=True))
    assert 0.02 < sent / published <= 0.05


def _moved_bytes(encoding: ViewEncoding) -> tuple[int, int]:
    """Bytes counted where they are handed to gloo."""
    module, batch, others = small_module(encoding=encoding), small_batch(videos=2, seed=dist.get_rank()), dist.get_world_size() - 1
    raw = replace(batch, views=batch.views.to(torch.uint8), color_parameters=torch.zeros(2, 7, 8))
    exchange, sent = dist.all_to_all_single, []

    def counted(received: torch.Tensor, rows: torch.Tensor, *, input_split_sizes: list[int], **options: Any) -> Any:
        leaving = len(rows) - input_split_sizes[dist.get_rank()]
        sent.append(leaving * rows[:1].nbytes)
        return exchange(received, rows, input_split_sizes=input_split_sizes, **options)

    dist.all_to_all_single = counted
    try:
        keys = module.receive_keys(raw)
    finally:
        dist.all_to_all_single = exchange
    return sum(sent), others * 4 * sum(key.views.numel() for key in keys)
