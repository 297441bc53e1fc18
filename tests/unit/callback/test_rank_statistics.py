"""Each rank continues with its own batch-norm statistics, on as many ranks as the checkpoint has."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import distributed as dist

from vclr_pl.callback.rank_statistics import RANK_STATISTICS, RankStatistics


def network(mean: float) -> Any:
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    module[1].running_mean.fill_(mean)
    return module


def test_each_rank_gets_its_own_back(two_processes: Callable[..., list[Any]]) -> None:
    assert two_processes(_saved_and_restored) == [([0.0, 0.0], [5.0, 5.0]), ([1.0, 1.0], [5.0, 5.0])]


def _saved_and_restored() -> tuple[list[float], list[float]]:
    rank = dist.get_rank()
    trainer: Any = SimpleNamespace(world_size=2, global_rank=rank)
    checkpoint: dict[str, Any] = {}
    RankStatistics().on_save_checkpoint(trainer, network(float(rank)), checkpoint)
    as_many, alone = network(5.0), network(5.0)
    RankStatistics().on_load_checkpoint(trainer, as_many, checkpoint)
    RankStatistics().on_load_checkpoint(SimpleNamespace(world_size=1, global_rank=0), alone, checkpoint)  # type: ignore[arg-type]
    return as_many[1].running_mean.tolist(), alone[1].running_mean.tolist()


def test_one_process_stores_nothing_more() -> None:
    checkpoint: dict[str, Any] = {}
    RankStatistics().on_save_checkpoint(SimpleNamespace(world_size=1), network(1.0), checkpoint)  # type: ignore[arg-type]
    assert RANK_STATISTICS not in checkpoint
    RankStatistics().on_load_checkpoint(SimpleNamespace(world_size=1, global_rank=0), network(1.0), {})  # type: ignore[arg-type]
