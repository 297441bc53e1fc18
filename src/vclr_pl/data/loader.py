"""The order of videos in an epoch, and the loader, which resumes inside an epoch.

The C library returns blocks above 32 MB to the system at once. The memory of every batch is then new, and the first access to each
4 KB page takes as long as a third of all color augmentation: 0.30 ms per view of 224 pixels, against 0.06 ms with huge pages.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from vclr_pl.data.broken_videos import UnreadWatch
from vclr_pl.data.fetch_ahead import FetchAhead
from vclr_pl.data.samples import NoReadableVideo, collate_segment_views
from vclr_pl.types import InputError, nothing_readable


class EpochSampler(DistributedSampler[tuple[int, int]]):
    """Yields `(epoch, video index)`.

    The order of an epoch is a permutation that depends on (seed, epoch); rank r of W takes every W-th video, starting at r. So the b-th
    batches of all ranks together are the b-th batch of a single process with W times the batch size. The incomplete last batch is dropped.
    `first_video` is where an epoch begins that is continued; the videos before it were seen, in batches of any size.
    A subclass of DistributedSampler, so that Lightning sets its epoch and does not replace it.

    Raises InputError if there are fewer videos than one global batch.
    """

    def __init__(self, *, videos: int, batch_size: int, rank: int, ranks: int, seed: int) -> None:
        super().__init__(range(videos), num_replicas=ranks, rank=rank, shuffle=True, seed=seed, drop_last=True)  # type: ignore[arg-type]
        self.videos, self.batch_size = videos, batch_size
        self.batches = self.batches_after(0)
        if not self.batches:
            requested = f"{batch_size}" if ranks == 1 else f"{ranks} processes x {batch_size}"
            raise InputError(
                expected=f"a batch no larger than the data, {videos} videos",
                got=f"{requested} = {ranks * batch_size} videos per step" if ranks > 1 else f"loader.batch_size={requested}",
                hint=f"Set loader.batch_size={max(1, videos // ranks)} or less.",
            )
        self.num_samples, self.total_size = self.batches * batch_size, self.batches * batch_size * ranks
        self.first_video = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        epoch = self.epoch
        order = np.random.default_rng(np.random.SeedSequence((self.seed, epoch))).permutation(self.videos)
        end = self.first_video + self.batches_after(self.first_video) * self.global_batch_size
        yield from ((epoch, int(index)) for index in order[self.first_video + self.rank : end : self.num_replicas])

    @property
    def global_batch_size(self) -> int:
        return self.batch_size * self.num_replicas

    def batches_after(self, videos: int) -> int:
        """Batches of an epoch of which so many videos were seen."""
        return (self.videos - videos) // self.global_batch_size


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


class ResumableLoader(DataLoader[Any]):
    """Batches made by `collate`. Lightning saves and restores the position with `state_dict` and `load_state_dict`.

    The position is the number of videos of the epoch that all ranks have returned, so a run may continue with another batch size or number
    of ranks; prefetched batches do not count. Reading starts when the first batch is requested, because Lightning creates an iterator
    before it sets the epoch.
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
        self.seen = 0  # videos of this epoch that all ranks have returned
        self.waiting_seconds = 0.0  # time spent waiting for a batch
        self._restored_epoch: int | None = None
        self._watch = UnreadWatch()  # batches returned in all epochs
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
            generator=torch.Generator(),  # a separate generator: samples have their own seeds, and that of the run must not advance
        )

    @property
    def epoch_sampler(self) -> EpochSampler:
        assert isinstance(self.sampler, EpochSampler)
        return self.sampler

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return self._batches()

    def _batches(self) -> Iterator[Any]:
        sampler = self.epoch_sampler
        sampler.first_video = self.seen = self.seen if self._restored_epoch == sampler.epoch else 0
        self._restored_epoch = None
        with self._fetched_ahead() as ahead:
            batches = super().__iter__()
            while (batch := self._awaited(batches)) is not None:
                self._watch.observe(batch.broken)
                if isinstance(batch, NoReadableVideo):
                    raise nothing_readable("training videos", list({video.path: video for video in batch.broken}.values()))
                self.seen += sampler.global_batch_size
                ahead.passed(sampler.batch_size)
                yield batch

    def _fetched_ahead(self) -> FetchAhead:
        """Fetches the rest of the epoch from a server, if the videos are there."""
        manifest = getattr(self.dataset, "manifest", None)
        if manifest is None or manifest.remote is None:
            return FetchAhead(remote=None, paths=())
        return FetchAhead(remote=manifest.remote, paths=(manifest.path(index) for _, index in self.epoch_sampler))

    def _awaited(self, batches: Iterator[Any]) -> Any:
        requested = time.perf_counter()
        batch = next(batches, None)
        self.waiting_seconds += time.perf_counter() - requested
        return batch

    def state_dict(self) -> dict[str, int]:
        """The place of all ranks in the order of the epoch. 0.1.0 reads `position` and `global_batch_size`."""
        sampler = self.epoch_sampler
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
        self.epoch_sampler.set_epoch(state["epoch"])
        self.seen, self._restored_epoch = seen, state["epoch"]
