"""A DataLoader that knows its place in the epoch: saved, it goes on there without decoding again what was passed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from vclr_pl.data.epoch_sampler import EpochSampler
from vclr_pl.data.unread_watch import UnreadWatch
from vclr_pl.data.view_assembly import NoReadableVideo, collate_segment_views
from vclr_pl.types import InputError, nothing_readable


class ResumableLoader(DataLoader[Any]):
    """Batches as `collate` makes them of samples. `state_dict` and `load_state_dict` are what Lightning looks for.

    The place is counted in batches handed out, so what workers hold in advance does not count. Nothing is read before the first
    batch is asked for: Lightning makes an iterator before it sets the epoch.
    """

    def __init__(
        self,
        *,
        dataset: Dataset[Any],
        sampler: EpochSampler,
        workers: int,
        prefetch_batches: int,
        pin_memory: bool,
        collate: Callable[[list[Any]], Any] = collate_segment_views,
    ) -> None:
        self.position = 0  # batches handed out in this epoch
        self.waiting_seconds = 0.0  # time in which a batch was asked for and not there yet
        self._restored_epoch: int | None = None
        self._watch = UnreadWatch()  # of all epochs
        super().__init__(
            dataset,
            sampler=sampler,
            batch_size=sampler.batch_size,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            prefetch_factor=prefetch_batches if workers else None,
            pin_memory=pin_memory,
            collate_fn=collate,
            generator=torch.Generator(),  # its own: every sample has its seed, and the run's generator is for the run
        )

    @property
    def epoch_sampler(self) -> EpochSampler:
        assert isinstance(self.sampler, EpochSampler)
        return self.sampler

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return self._batches()

    def _batches(self) -> Iterator[Any]:
        goes_on = self._restored_epoch == self.epoch_sampler.epoch and self.position < len(self)
        self._restored_epoch = None
        self.position = self.position if goes_on else 0
        self.epoch_sampler.first_batch = self.position
        batches = super().__iter__()
        while (batch := self._awaited(batches)) is not None:
            self._watch.observe(batch.broken)
            if isinstance(batch, NoReadableVideo):
                raise nothing_readable("training videos", list({video.path: video for video in batch.broken}.values()))
            self.position += 1
            yield batch

    def _awaited(self, batches: Iterator[Any]) -> Any:
        asked = time.perf_counter()
        batch = next(batches, None)
        self.waiting_seconds += time.perf_counter() - asked
        return batch

    def state_dict(self) -> dict[str, int]:
        sampler = self.epoch_sampler
        return {
            "epoch": sampler.epoch,
            "position": self.position,
            "global_batch_size": sampler.batch_size * sampler.num_replicas,
            "videos": len(self.dataset),  # type: ignore[arg-type]
            "seed": sampler.seed,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Raises InputError inside an epoch that other options would order otherwise."""
        present = self.state_dict()
        differing = [name for name in ("global_batch_size", "videos", "seed") if state[name] != present[name]]
        if differing and 0 < state["position"] < len(self):
            raise InputError(
                expected="a run resumed inside an epoch to keep " + ", ".join(f"{name}={state[name]}" for name in differing),
                got=", ".join(f"{name}={present[name]}" for name in differing),
                remedy="Set loader.batch_size, the number of processes, data and seed as they were.",
            )
        self.epoch_sampler.set_epoch(state["epoch"])
        self.position, self._restored_epoch = state["position"], state["epoch"]
