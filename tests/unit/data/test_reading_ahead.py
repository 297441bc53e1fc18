"""Parts of batches over epochs: their order, who reads them and when, and that nothing remains."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tests.workers import workers
from torch.utils.data import DataLoader, Dataset

from vclr_pl.data import reading_ahead
from vclr_pl.data.loader import EpochSampler, ResumableLoader
from vclr_pl.data.reading_ahead import Extent, PartOrder, Place, extent_of
from vclr_pl.types import BrokenVideo

VIDEOS, BATCH = 23, 4  # five batches an epoch
SECONDS = 60  # until a test fails whose key does not arrive


def sampler(*, batch_size: int = BATCH, rank: int = 0, ranks: int = 1) -> EpochSampler:
    return EpochSampler(videos=VIDEOS, batch_size=batch_size, rank=rank, ranks=ranks, seed=5)


class Keys(Dataset[Any]):
    """A sample is its key and the process that reads it. The queue receives each key."""

    def __init__(self, *, fails_at: tuple[int, int] | None = None, stalls_at: tuple[int, int] | None = None) -> None:
        self.read: Any = multiprocessing.Queue()
        self.fails_at, self.stalls_at = fails_at, stalls_at

    def __getitem__(self, key: tuple[int, int]) -> tuple[int, int, int]:
        if key == self.fails_at:
            raise RuntimeError("unexpected")
        if key == self.stalls_at:
            time.sleep(3600)
        self.read.put(key)
        return (*key, os.getpid())


@dataclass(frozen=True)
class KeyBatch:
    large: torch.Tensor  # is sent in shared memory
    epoch: torch.Tensor
    video: torch.Tensor
    process: torch.Tensor
    broken: tuple[BrokenVideo, ...] = ()


def collate(samples: list[tuple[int, int, int]]) -> KeyBatch:
    epoch, video, process = torch.tensor(samples).unbind(1)
    return KeyBatch(large=video[:, None].expand(-1, 20_000).contiguous(), epoch=epoch, video=video, process=process)


def run(**options: Any) -> Any:
    """What the loader reads of Lightning's trainer."""
    return SimpleNamespace(
        **{
            "training": True,
            "max_epochs": 3,
            "max_steps": -1,
            "global_step": 0,
            "accumulate_grad_batches": 1,
            "num_training_batches": 5,
            **options,
        }
    )


def loader_of(data: Keys, *, workers: int = 2, trainer: Any | None = None, batch_size: int = BATCH) -> ResumableLoader:
    return ResumableLoader(
        dataset=data,
        sampler=sampler(batch_size=batch_size),
        workers=workers,
        prefetch_batches=1,
        on_gpu=False,
        collate=collate,
        trainer=trainer,
    )


def epoch_of(loader: ResumableLoader, number: int) -> Any:
    loader.sampler.set_epoch(number)
    return iter(loader)


def order(number: int) -> list[list[int]]:
    whole = [video for _, video in sampler().keys(Place(number, 0))]
    return [whole[first : first + BATCH] for first in range(0, len(whole), BATCH)]


def videos(batches: Any) -> list[list[int]]:
    return [batch.video.tolist() for batch in batches]


@pytest.mark.parametrize(("batch_size", "parts", "sizes"), [(4, 2, [2, 2]), (4, 1, [4]), (5, 3, [1, 2, 2]), (3, 3, [1, 1, 1])])
@pytest.mark.parametrize("rank", [0, 1])
def test_parts_are_the_videos_of_each_batch_in_order_over_epochs(batch_size: int, parts: int, sizes: list[int], rank: int) -> None:
    own = sampler(batch_size=batch_size, rank=rank, ranks=2)
    start = Place(1, 2 * batch_size)  # a batch of two ranks was seen
    extent = extent_of(run(num_training_batches=math.inf), order=own, place=start)
    found = list(PartOrder(order=own, start=start, extent=extent, parts=parts))
    assert [len(part) for part in found] == sizes * (own.batches - 1 + own.batches)
    assert list(itertools.chain(*found)) == [*own.keys(start), *own.keys(Place(2, 0))]


@pytest.mark.parametrize(
    ("options", "place", "expected"),
    [
        ({}, Place(0, 0), Extent(3, 5, 5)),
        ({}, Place(1, 12), Extent(3, 2, 5)),
        ({"num_training_batches": 2}, Place(0, 4), Extent(3, 1, 2)),  # limit_train_batches=2
        ({"max_epochs": -1, "max_steps": 6}, Place(0, 0), Extent(2, 5, 5)),
        ({"max_epochs": None, "max_steps": 6, "global_step": 4}, Place(0, 16), Extent(2, 1, 5)),
        ({"max_epochs": -1, "max_steps": 5}, Place(0, 0), Extent(1, 5, 5)),
        ({"max_epochs": -1, "max_steps": 5, "accumulate_grad_batches": 2}, Place(0, 0), Extent(2, 5, 5)),
        ({"max_epochs": -1}, Place(7, 0), Extent(math.inf, 5, 5)),  # a length in time
    ],
)
def test_a_run_reads_as_far_as_its_trainer(options: dict[str, Any], place: Place, expected: Extent) -> None:
    assert extent_of(run(**options), order=sampler(), place=place) == expected


def test_without_a_trainer_that_trains_it_is_the_epoch() -> None:
    for trainer in (None, run(training=False)):
        assert extent_of(trainer, order=sampler(), place=Place(4, 8)) == Extent(5, 3, 5)
    data = Keys()
    assert videos(epoch_of(loader_of(data), 1)) == order(1)
    assert workers() == []


def test_the_workers_share_the_first_batch() -> None:
    loader = loader_of(Keys())
    first = next(epoch_of(loader, 0))
    left, right = first.process.split(BATCH // 2)
    assert [len(set(half.tolist())) for half in (left, right)] == [1, 1]
    assert set(left.tolist()) != set(right.tolist())
    assert first.large[:, 0].tolist() == first.video.tolist()


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # six workers are a question asked here
def test_a_batch_has_no_more_parts_than_it_has_videos_or_than_the_thread_can_join(monkeypatch: pytest.MonkeyPatch) -> None:
    for most, expected in ((16, BATCH), (2, 2)):
        monkeypatch.setattr("vclr_pl.data.loader.MOST_PARTS", most)
        loader = loader_of(Keys(), workers=6)
        batches = epoch_of(loader, 0)
        next(batches)
        assert loader._reading is not None
        assert loader._reading._order.parts == expected
        batches.close()


def test_the_next_epoch_is_read_while_nobody_asks_for_it() -> None:
    """Its batches come from the same processes, in its order; the bound of what is read ahead holds."""
    data = Keys()
    loader = loader_of(data, trainer=run())
    first = list(itertools.islice(epoch_of(loader, 0), 5))
    seen = [data.read.get(timeout=SECONDS) for _ in range(5 * BATCH + 2 * BATCH)]  # one batch for each worker
    assert {epoch for epoch, _ in seen} == {0, 1}
    second = list(epoch_of(loader, 1))
    assert videos(first) + videos(second) == order(0) + order(1)
    assert {int(number) for batch in first for number in batch.process} == {int(number) for batch in second for number in batch.process}
    loader.stop()


def test_no_more_is_read_ahead_than_the_options_say() -> None:
    """Two workers, one batch for each, and the one that is joined."""
    loader = loader_of(Keys(), trainer=run(max_epochs=1000))
    drawn = []
    keys = loader.sampler.keys

    def counted(place: Place) -> Any:
        for key in keys(place):
            drawn.append(key)
            yield key

    loader.sampler.keys = counted  # type: ignore[method-assign]
    for number in range(3):
        for taken, _ in enumerate(epoch_of(loader, number), start=1 + 5 * number):
            assert len(drawn) <= BATCH * (taken + 1 + 2)
    loader.stop()


def test_after_the_last_epoch_nothing_is_read() -> None:
    data = Keys()
    loader = loader_of(data, trainer=run(max_epochs=2))
    assert [videos(epoch_of(loader, number)) for number in range(2)] == [order(0), order(1)]
    assert workers() == []
    read = [data.read.get(timeout=SECONDS) for _ in range(2 * 5 * BATCH)]
    assert data.read.empty()
    assert sorted(read) == sorted(key for number in range(2) for key in sampler().keys(Place(number, 0)) if key)


def test_an_epoch_that_was_not_foreseen_begins_anew() -> None:
    loader = loader_of(Keys(), trainer=run(max_epochs=9))
    assert videos(epoch_of(loader, 0)) == order(0)
    assert videos(epoch_of(loader, 6)) == order(6)
    batches = epoch_of(loader, 7)
    next(batches)
    assert videos(epoch_of(loader, 2)) == order(2)
    batches.close()
    loader.stop()


def test_the_position_is_of_what_was_returned() -> None:
    """The next epoch is read, and a run that continues from this state begins with it."""
    loader = loader_of(Keys(), trainer=run())
    list(itertools.islice(epoch_of(loader, 0), 5))
    state = loader.state_dict()
    assert (state["epoch"], state["seen"]) == (0, 5 * BATCH)
    again = loader_of(Keys(), trainer=run())
    again.load_state_dict(state)
    assert list(again) == []
    assert videos(epoch_of(again, 1)) == videos(epoch_of(loader, 1)) == order(1)
    loader.stop()
    again.stop()


def test_other_loaders_read_meanwhile() -> None:
    """As a monitor does between two epochs."""
    data = Keys()
    loader = loader_of(data, trainer=run())
    list(itertools.islice(epoch_of(loader, 0), 5))
    evaluation = DataLoader(data, sampler=[(9, 1), (9, 2)], num_workers=2, collate_fn=collate, batch_size=1)  # type: ignore[arg-type]
    assert videos(evaluation) == [[1], [2]]
    assert videos(epoch_of(loader, 1)) == order(1)
    loader.stop()


@pytest.mark.parametrize("ends", ["stop", "left"])
def test_a_stop_leaves_no_worker(ends: str) -> None:
    loader = loader_of(Keys(), trainer=run())
    batches = epoch_of(loader, 0)
    next(batches)
    assert len(workers()) == 2
    loader.stop() if ends == "stop" else batches.close()
    assert workers() == []
    loader.stop()


@pytest.mark.parametrize("ends", ["stop", "wait"])
def test_a_read_without_an_end_can_be_ended(ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_ahead, "SECONDS_TO_END", 0.2)
    loader = loader_of(Keys(stalls_at=list(sampler().keys(Place(0, 0)))[2 * BATCH]), trainer=run())
    batches = epoch_of(loader, 0)
    assert videos([next(batches), next(batches)]) == order(0)[:2]
    if ends == "wait":
        loader.while_waiting = partial(signal.raise_signal, signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            next(batches)
        assert loader.state_dict()["seen"] == 2 * BATCH
    loader.stop()
    assert workers() == []


def test_an_error_of_a_worker_arrives_and_leaves_none() -> None:
    failing = list(sampler().keys(Place(0, 0)))[2 * BATCH]
    loader = loader_of(Keys(fails_at=failing), trainer=run())
    batches = epoch_of(loader, 0)
    assert videos([next(batches), next(batches)]) == order(0)[:2]
    with pytest.raises(RuntimeError, match="unexpected"):
        next(batches)
    assert workers() == []
