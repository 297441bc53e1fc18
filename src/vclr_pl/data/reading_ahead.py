"""Batches of a run, one after another over its epochs, read by workers ahead of the training.

A batch is divided into parts, which the workers read at the same time: the first batch is there after the time of a part. A thread joins
the parts of the next batch, on a GPU in pinned memory. The order goes on from one epoch to the next, so that the workers read while
checkpoints are written and monitors run.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data._utils import signal_handling

from vclr_pl.data.samples import NoReadableVideo

MOST_PARTS = 16  # of a batch: each is an open file while it waits, and takes the thread about 0.2 ms
SMALL_BYTES = 2**16  # a smaller tensor is sent as bytes: a shared one needs an open file and a connection, together 0.2 ms
SECONDS_TO_END = 3.0  # for a part that is being read
SECONDS_BETWEEN_CALLS = 0.5  # while a batch is awaited
Key = tuple[int, int]  # epoch, video


class Place(NamedTuple):
    """Where a batch begins: `first_video` videos of the epoch were seen by all ranks."""

    epoch: int
    first_video: int


class Extent(NamedTuple):
    """How far a run reads: the number of epochs in all, the batches left of the present one, and the batches of each later one."""

    epochs: float
    left: int
    batches: int


class Order(Protocol):
    """Videos of an epoch in order, for this rank."""

    batch_size: int
    batches: int

    @property
    def global_batch_size(self) -> int: ...

    def keys(self, place: Place) -> Iterator[Key]: ...

    def batches_after(self, videos: int) -> int: ...


def extent_of(trainer: Any | None, *, order: Order, place: Place) -> Extent:
    """What `trainer` reads from `place` on. Without a trainer that trains, the rest of the epoch."""
    left, batches, size = order.batches_after(place.first_video), order.batches, order.global_batch_size
    if trainer is None or not trainer.training:
        return Extent(place.epoch + 1, left, batches)
    batches = int(min(batches, trainer.num_training_batches))
    left = max(0, min(left, batches - place.first_video // size))
    epochs = math.inf if trainer.max_epochs in (None, -1) else trainer.max_epochs
    if trainer.max_steps not in (None, -1):
        wanted = (trainer.max_steps - trainer.global_step) * trainer.accumulate_grad_batches
        epochs = min(epochs, place.epoch + 1 + max(0, math.ceil((wanted - left) / max(1, batches))))
    return Extent(epochs, left, batches)


class PartOrder(Sampler[list[Key]]):
    """Keys of one part after another, from `start` to the end of the run."""

    def __init__(self, *, order: Order, start: Place, extent: Extent, parts: int) -> None:
        self.order, self.start, self.extent, self.parts = order, start, extent, parts

    def __iter__(self) -> Iterator[list[Key]]:
        size = self.order.batch_size
        for batch in self._batches():
            yield from (batch[size * part // self.parts : size * (part + 1) // self.parts] for part in range(self.parts))

    def _batches(self) -> Iterator[list[Key]]:
        place, left = self.start, self.extent.left
        while left and (place.epoch == self.start.epoch or place.epoch < self.extent.epochs):
            keys = self.order.keys(place)
            for _ in range(left):
                yield list(itertools.islice(keys, self.order.batch_size))
            place, left = Place(place.epoch + 1, 0), self.extent.batches


class ReadingAhead:
    """An iterator over batches. `end` stops the workers.

    Args:
        order: of the parts.
        workers: reading processes; with 0, a batch is read when it is asked for.
        prefetch_batches: batches that are read ahead, for each worker.
        collate: a batch, or part of one, of samples.
        pin: join batches in pinned memory.
        while_waiting: called about every half second while workers read the batch that was asked for. An error ends the wait.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        order: PartOrder,
        workers: int,
        prefetch_batches: int,
        collate: Callable[[list[Any]], Any],
        pin: bool,
        while_waiting: Callable[[], None],
    ) -> None:
        self._order, self._pin, self._ended = order, pin, False
        self._while_waiting = while_waiting
        self._parts: Any = iter(  # here and not in the thread: signals and the parent's death reach its workers by the main thread
            DataLoader(
                dataset,
                batch_sampler=order,
                num_workers=workers,
                prefetch_factor=prefetch_batches * order.parts if workers else None,
                collate_fn=LightCollate(collate) if workers else collate,
                generator=torch.Generator(),  # a separate generator: samples have their own seeds, and that of the run must not advance
            )
        )
        self.next_place, self._left = order.start, order.extent.left
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="joined_batches") if workers else None
        self._joining: Future[Any] | None = None
        self._ask()

    def __next__(self) -> Any:
        batch = self._awaited(self._joining) if self._joining is not None else self._join()
        if batch is None:
            raise StopIteration
        self._advance()
        if not self.is_over:
            self._ask()
        return batch

    def __iter__(self) -> Iterator[Any]:
        return self

    @property
    def is_over(self) -> bool:
        """True after the last batch of the run."""
        return self.next_place.epoch >= self._order.extent.epochs

    def end(self) -> None:
        """Stop reading. Waits a few seconds for the part that is being read; workers that read longer are ended."""
        self._ended = True
        if self._thread is not None:
            if self._joining is not None and not wait([self._joining], timeout=SECONDS_TO_END).done:
                end_workers(self._parts)
            self._thread.shutdown(wait=True, cancel_futures=True)
            self._parts._shutdown_workers()  # as Lightning does; a reference in a traceback would keep them
        self._parts, self._joining = iter(()), None

    def _advance(self) -> None:
        place, self._left = self.next_place, self._left - 1
        self.next_place = Place(place.epoch, place.first_video + self._order.order.global_batch_size)
        if not self._left:
            self.next_place, self._left = Place(place.epoch + 1, 0), self._order.extent.batches

    def _awaited(self, joining: Future[Any]) -> Any:
        while not wait([joining], timeout=SECONDS_BETWEEN_CALLS).done:
            self._while_waiting()
        return joining.result()

    def _ask(self) -> None:
        if self._thread is not None:
            self._joining = self._thread.submit(self._join)

    def _join(self) -> Any:
        """The next batch; None after the last, and after `end`."""
        parts = []
        for part in itertools.islice(self._parts, self._order.parts):
            parts.append(part)
            if self._ended:
                return None
        return joined(parts, pin=self._pin) if parts else None


def end_workers(reading: Any) -> None:
    """Kill the workers of a DataLoader's iterator. Whoever waits for one of them sees within seconds that they are gone."""
    # Else torch raises an error in the main thread, because a worker ends by a signal.
    signal_handling._remove_worker_pids(id(reading))  # type: ignore[attr-defined]
    reading._worker_pids_set = False
    for worker in reading._workers:
        worker.kill()


class LightCollate:
    """`collate`, whose small tensors become arrays: only large ones are worth shared memory."""

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, samples: list[Any]) -> Any:
        batch = self.collate(samples)
        values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
        small = {name: value.numpy() for name, value in values.items() if isinstance(value, Tensor) and value.nbytes < SMALL_BYTES}
        return dataclasses.replace(batch, **small)


def joined(parts: Sequence[Any], *, pin: bool) -> Any:
    """One batch of its parts, row by row: tensors are put together, tuples chained. NoReadableVideo if any part is one."""
    if any(isinstance(part, NoReadableVideo) for part in parts):
        return NoReadableVideo(tuple(video for part in parts for video in part.broken))
    together: dict[str, Any] = {}
    for field in dataclasses.fields(parts[0]):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], tuple):
            together[field.name] = tuple(itertools.chain.from_iterable(values))
        else:
            together[field.name] = _rows([torch.as_tensor(value) for value in values], pin=pin)
    return dataclasses.replace(parts[0], **together)


def _rows(parts: list[Tensor], *, pin: bool) -> Tensor:
    """numpy copies them: torch would start a second set of computing threads in this thread."""
    if len(parts) == 1 and not pin:
        return parts[0]
    rows = torch.empty((sum(map(len, parts)), *parts[0].shape[1:]), dtype=parts[0].dtype, pin_memory=pin)
    np.concatenate([_bytes(part) for part in parts], out=_bytes(rows))
    return rows


def _bytes(tensor: Tensor) -> np.ndarray:
    return tensor.contiguous().flatten().view(torch.uint8).numpy()
