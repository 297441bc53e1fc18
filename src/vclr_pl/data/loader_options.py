"""Options of the data loaders."""

from __future__ import annotations

from dataclasses import dataclass

from vclr_pl.data.cores import reading_workers
from vclr_pl.types import InputError


@dataclass(frozen=True, kw_only=True)
class LoaderOptions:
    """Options of the data loaders.

    batch_size: videos of a batch on each device. global_batch_size: videos of an optimizer step on all devices and in all accumulated
    batches, kept by accumulating (`runner/global_batch.py`); None for those of the batches. evaluation_batch_size: whole videos per batch.
    workers: processes for each device, 0 for none, None for its share of the cores (`data/cores.py`). prefetch_batches: read ahead for
    each worker.
    max_broken_fraction: of the training videos; above it the run ends with an error.
    """

    batch_size: int
    evaluation_batch_size: int
    workers: int | None
    max_broken_fraction: float
    prefetch_batches: int = 2
    global_batch_size: int | None = None

    def __post_init__(self) -> None:
        leasts = {"batch_size": 1, "global_batch_size": 1, "evaluation_batch_size": 1, "workers": 0, "prefetch_batches": 1}
        for name, least in leasts.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(expected=f"loader.{name} of at least {least}", got=str(value), hint=f"Set loader.{name}={least} or more.")
        if not 0 <= self.max_broken_fraction <= 1:
            raise InputError(
                expected="loader.max_broken_fraction between 0 and 1",
                got=str(self.max_broken_fraction),
                hint="Set loader.max_broken_fraction=0.1.",
            )

    def worker_count(self, *, cores: int, batches: int) -> int:
        return reading_workers(cores=cores, batches=batches) if self.workers is None else self.workers
