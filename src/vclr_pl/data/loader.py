"""The order of videos in an epoch, and the loader, which resumes inside an epoch.

The C library returns blocks above 32 MB to the system at once. The memory of every batch is then new, and the first access to each
4 KB page takes as long as a third of all color augmentation: 0.30 ms per view of 224 pixels, against 0.06 ms with huge pages.
"""

from __future__ import annotations

import contextlib
import math
import mmap
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler

from vclr_pl.data.broken_videos import UnreadWatch
from vclr_pl.data.fetch_ahead import FetchAhead
from vclr_pl.data.reading_ahead import MOST_PARTS, Extent, PartOrder, Place, ReadingAhead, extent_of
from vclr_pl.data.samples import NoReadableVideo, collate_segment_views
from vclr_pl.data.waiting import DeviceWait, ProcessWait, Wait
from vclr_pl.types import InputError, nothing_readable


class EpochSampler(DistributedSampler[tuple[int, int]]):
    """Yields `(epoch, video index)`.

    The order of an epoch is a permutation that depends on (seed, epoch); rank r of W takes every W-th video, starting at r. So the b-th
    batches of all ranks together are the b-th batch of a single process with W times the batch size. The incomplete last batch is dropped.
    With `accumulated` an epoch has whole optimizer steps of so many batches, so that it has equally many on any number of devices.
    A subclass of DistributedSampler, so that Lightning sets its epoch and does not replace it.

    Raises InputError if there are fewer videos than one global batch.
    """

    def __init__(self, *, videos: int, batch_size: int, rank: int, ranks: int, seed: int, accumulated: int = 1) -> None:
        super().__init__(range(videos), num_replicas=ranks, rank=rank, shuffle=True, seed=seed, drop_last=True)  # type: ignore[arg-type]
        self.videos, self.batch_size, self.accumulated = videos, batch_size, accumulated
        self.batches = self.batches_after(0)
        if not self.batches:
            raise self._too_few_videos()
        self.num_samples, self.total_size = self.batches * batch_size, self.batches * batch_size * ranks

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return self.keys(Place(self.epoch, 0))

    def keys(self, place: Place) -> Iterator[tuple[int, int]]:
        """The rest of an epoch. The videos before `place` were seen, in batches of any size."""
        order = np.random.default_rng(np.random.SeedSequence((self.seed, place.epoch))).permutation(self.videos)
        end = place.first_video + self.batches_after(place.first_video) * self.global_batch_size
        yield from ((place.epoch, int(index)) for index in order[place.first_video + self.rank : end : self.num_replicas])

    @property
    def global_batch_size(self) -> int:
        return self.batch_size * self.num_replicas

    def batches_after(self, videos: int) -> int:
        """Batches of an epoch of which so many videos were seen."""
        return (self.videos - videos) // (self.global_batch_size * self.accumulated) * self.accumulated

    def _too_few_videos(self) -> InputError:
        parts = [f"{self.num_replicas} processes"] * (self.num_replicas > 1) + [str(self.batch_size)]
        parts += [f"{self.accumulated} accumulated batches"] * (self.accumulated > 1)
        fitting = self.videos // self.global_batch_size * self.global_batch_size
        option = f"global_batch_size={fitting}" if fitting else f"batch_size={max(1, self.videos // self.num_replicas)}"
        step = f"{' x '.join(parts)} = {self.global_batch_size * self.accumulated} videos per step"
        return InputError(
            expected=f"a batch no larger than the data, {self.videos} videos",
            got=step if len(parts) > 1 else f"loader.batch_size={self.batch_size}",
            hint=f"Set loader.{option} or less.",
        )


_GIVEN_BACK_BYTES = 32 * 2**20  # glibc reuses smaller blocks


def empty_pictures(shape: torch.Size) -> Tensor:
    """An uninitialized float32 tensor on the CPU."""
    size_bytes = 4 * math.prod(shape)
    if size_bytes < _GIVEN_BACK_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):  # only on Linux
        return torch.empty(shape, dtype=torch.float32)
    memory = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)


class ResumableLoader:
    """Batches made by `collate`. Lightning saves and restores the position with `state_dict` and `load_state_dict`.

    The position is the number of videos of the epoch that all ranks have returned, so a run may continue with another batch size or number
    of ranks; batches that are read ahead do not count. Reading starts when the first batch is requested, because Lightning creates an
    iterator before it sets the epoch, and goes on from one epoch to the next, as far as the run of `trainer` does.

    Args:
        prefetch_batches: read ahead for each worker.
        on_gpu: batches are in pinned memory, and a wait is one of the GPU.
        trainer: without one that trains, no more than the present epoch is read.
    """

    def __init__(
        self,
        *,
        dataset: Dataset[Any],
        sampler: EpochSampler,
        workers: int,
        prefetch_batches: int,
        on_gpu: bool,
        collate: Callable[[list[Any]], Any] = collate_segment_views,
        trainer: Any | None = None,
    ) -> None:
        self.dataset, self.sampler, self.trainer = dataset, sampler, trainer
        self.workers, self.prefetch_batches, self.on_gpu, self.collate = workers, prefetch_batches, on_gpu, collate
        self.while_waiting: Callable[[], None] = lambda: None  # called every moment while workers read the next batch
        self.seen = 0  # videos of this epoch that all ranks have returned
        self._wait: Wait = DeviceWait() if on_gpu else ProcessWait()
        self._restored_epoch: int | None = None
        self._watch = UnreadWatch()  # batches returned in all epochs
        self._reading: ReadingAhead | None = None
        self._fetching = contextlib.ExitStack()

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return self.sampler.batches

    def __iter__(self) -> Iterator[Any]:
        return self._batches()

    @property
    def waiting_seconds(self) -> float:
        """Time in which training has waited for a batch."""
        return self._wait.seconds

    def stop(self) -> None:
        """End the workers."""
        reading, self._reading = self._reading, None
        if reading is not None:
            reading.end()
        self._fetching.close()

    def _batches(self) -> Iterator[Any]:
        sampler = self.sampler
        self.seen = self.seen if self._restored_epoch == sampler.epoch else 0
        self._restored_epoch = None
        place, is_left_early = Place(sampler.epoch, self.seen), True
        try:
            for left in reversed(range(self._extent(place).left)):
                with self._wait.counted():
                    batch = self._next_at(place)
                if self._reading is not None and self._reading.is_over:
                    self.stop()
                self._watch.observe(batch.broken)
                if isinstance(batch, NoReadableVideo):
                    raise nothing_readable("training videos", list({video.path: video for video in batch.broken}.values()))
                self.seen += sampler.global_batch_size
                place, is_left_early = Place(place.epoch, self.seen), left > 0
                yield batch
                del batch  # its memory is freed now, not while the next one is awaited
        finally:
            if is_left_early:
                self.stop()

    def _extent(self, place: Place) -> Extent:
        return extent_of(self.trainer, order=self.sampler, place=place)

    def _next_at(self, place: Place) -> Any:
        """The batch at `place`, which is read already, unless a run begins there."""
        if self._reading is None or self._reading.next_place != place:
            self.stop()
            parts = max(1, min(self.workers, self.sampler.batch_size, MOST_PARTS))
            order = PartOrder(order=self.sampler, start=place, extent=self._extent(place), parts=parts)
            self._ahead = self._fetching.enter_context(self._fetched_ahead(order))
            self._reading = ReadingAhead(
                self.dataset,
                order=order,
                workers=self.workers,
                prefetch_batches=self.prefetch_batches,
                collate=self.collate,
                pin=self.on_gpu,
                while_waiting=lambda: self.while_waiting(),
            )
        batch = next(self._reading)
        self._ahead.passed(self.sampler.batch_size)
        return batch

    def _fetched_ahead(self, order: PartOrder) -> FetchAhead:
        """Fetches the videos of these parts from a server, if they are there."""
        manifest = getattr(self.dataset, "manifest", None)
        if manifest is None or manifest.remote is None:
            return FetchAhead(remote=None, paths=())
        return FetchAhead(remote=manifest.remote, paths=(manifest.path(index) for part in order for _, index in part))

    def state_dict(self) -> dict[str, int]:
        """The place of all ranks in the order of the epoch. 0.1.0 reads `position` and `global_batch_size`."""
        sampler = self.sampler
        size = sampler.global_batch_size
        state = {"epoch": sampler.epoch, "seen": self.seen, "videos": sampler.videos, "seed": sampler.seed}
        return {**state, "position": self.seen // size, "global_batch_size": size}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Raises InputError if resuming inside an epoch with options that change its order."""
        present, seen = self.state_dict(), state.get("seen", state["position"] * state["global_batch_size"])
        differing = [name for name in ("videos", "seed") if state[name] != present[name]]
        if differing and 0 < seen < state["videos"] // state["global_batch_size"] * state["global_batch_size"]:
            raise InputError(
                expected="a run that resumes inside an epoch to keep " + ", ".join(f"{name}={state[name]}" for name in differing),
                got=", ".join(f"{name}={present[name]}" for name in differing),
                hint="Use the data and seed of the interrupted run.",
            )
        self.sampler.set_epoch(state["epoch"])
        self.seen, self._restored_epoch = seen, state["epoch"]
