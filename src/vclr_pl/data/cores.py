"""The cores of a rank: how many reading processes it may start beside the other ranks of its machine."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from vclr_pl.files import available_cores, bound_cores, core_limit
from vclr_pl.op.collective import gather_objects, rank

# A GPU that trains ResNet-50 at 500 videos/s needs 32 cores of H.264 (docs/data.md); a worker holds batches in memory.
MOST_WORKERS = 32


@dataclass(frozen=True, kw_only=True)
class RankCores:
    """What a rank may use.

    machine: the name of its machine. cores: numbers of those that it may run on. limit: of its control groups, shared with the other
    ranks of the machine; None for no limit.
    """

    machine: str
    cores: frozenset[int]
    limit: int | None


def cores_of_rank(*, ranks: int) -> int:
    """The share of this rank of `ranks`, which call it together; at least 1 for a process alone."""
    if ranks == 1:
        return available_cores()
    own = RankCores(machine=platform.node(), cores=bound_cores(), limit=core_limit())
    return share_of_cores(rank(), of=gather_objects(own))


def share_of_cores(number: int, *, of: Iterable[RankCores]) -> int:
    """The cores of rank `number`: those that it has to itself, and its part of those that other ranks of its machine may use too.

    Schedulers differ. `srun --cpus-per-task` binds each task to cores of its own; without binding all tasks of a node have the same ones;
    `torchrun --numa-binding` gives some ranks the same ones. The masks themselves show which.
    """
    ranks = list(of)
    own = ranks[number]
    together = [other for other in ranks if other.machine == own.machine]
    share = sum((Fraction(1, sum(core in other.cores for other in together)) for core in own.cores), start=Fraction(0))
    return int(share if own.limit is None else min(share, Fraction(own.limit, len(together))))


def reading_workers(*, cores: int, batches: int) -> int:
    """Reading processes for `batches` batches: one for each core and batch, at most MOST_WORKERS."""
    return min(MOST_WORKERS, cores, batches)
