"""Whole orders: shares of ranks, epochs, and the place to go on from.
The place inside an epoch: kept, restored, and nothing decoded again.
"""

from __future__ import annotations

import pytest
from tests.video_fixture import copies, write_broken
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler

from vclr_pl.data.loader import EpochSampler, ResumableLoader
from vclr_pl.data.reading_ahead import Place
from vclr_pl.data.sampling import SegmentClipSampler
from vclr_pl.data.transform.crop import ContrastiveTransform
from vclr_pl.data.video_dataset import SegmentVideoDataset
from vclr_pl.datasets.manifest import Manifest
from vclr_pl.types import BrokenVideosError, InputError
from vclr_pl.video.pyav import PyavDecoder


def sampler(*, videos=23, batch_size=4, rank=0, ranks=1, seed=5, epoch=0):
    made = EpochSampler(videos=videos, batch_size=batch_size, rank=rank, ranks=ranks, seed=seed)
    made.set_epoch(epoch)
    return made


def test_an_epoch_is_every_video_once_but_for_the_incomplete_batch():
    order = list(sampler(epoch=2))
    assert {epoch for epoch, _ in order} == {2}
    assert len(order) == len({index for _, index in order}) == 20
    assert (len(sampler()), sampler().batches) == (20, 5)
    assert isinstance(sampler(), DistributedSampler)


def test_the_order_is_of_seed_and_epoch():
    assert list(sampler(epoch=1)) == list(sampler(epoch=1))
    orders = {tuple(index for _, index in sampler(seed=seed, epoch=epoch)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


@pytest.mark.parametrize(("ranks", "batch_size"), [(2, 4), (4, 2), (2, 3)])
def test_batches_of_all_ranks_are_the_batches_of_one_process(ranks, batch_size):
    whole = list(sampler(batch_size=ranks * batch_size, epoch=3))
    shares = [list(sampler(batch_size=batch_size, rank=rank, ranks=ranks, epoch=3)) for rank in range(ranks)]
    assert len({len(share) for share in shares}) == 1
    for batch in range(len(whole) // (ranks * batch_size)):
        together = [key for share in shares for key in share[batch * batch_size : (batch + 1) * batch_size]]
        assert sorted(together) == sorted(whole[batch * ranks * batch_size : (batch + 1) * ranks * batch_size])
    assert sum(len(share) for share in shares) == len(whole)


def test_it_goes_on_after_the_batches_that_were_passed():
    whole, rest = list(sampler()), sampler()
    assert list(rest.keys(Place(0, 12))) == whole[12:]
    assert len(rest) == 20


@pytest.mark.parametrize(("batch_size", "ranks", "first_video"), [(2, 1, 12), (2, 2, 12), (8, 1, 8), (3, 2, 8), (4, 2, 16), (5, 1, 20)])
def test_an_epoch_continues_in_other_batches_without_a_gap_or_a_repetition(batch_size, ranks, first_video):
    """Batches of 4 before, and 23 videos."""
    before = list(sampler(epoch=1))[:first_video]
    shares = []
    for rank in range(ranks):
        rest = sampler(batch_size=batch_size, rank=rank, ranks=ranks, epoch=1)
        shares.append(list(rest.keys(Place(1, first_video))))
    batches = (23 - first_video) // (batch_size * ranks)
    assert [len(share) for share in shares] == [batches * batch_size] * ranks
    order = list(sampler(batch_size=23, epoch=1))
    together = [key for share in shares for key in share]
    assert sorted(before + together) == sorted(order[: first_video + batches * batch_size * ranks])


def test_a_batch_larger_than_the_data_is_told():
    with pytest.raises(
        InputError, match=r"no larger than the data, 23 videos; got loader\.batch_size=24\. Set loader\.batch_size=23 or less"
    ):
        sampler(batch_size=24)
    with pytest.raises(InputError, match=r"got 2 processes x 12 = 24 videos per step\. Set loader\.batch_size=11 or less"):
        sampler(batch_size=12, ranks=2)


class NoPhotometry:
    def draw(self, views, generator):
        return generator.random((views, 2), dtype="float32")


class Recorder(Dataset):
    """A dataset and the keys it was asked for (in this process)."""

    def __init__(self, inner):
        self.inner, self.keys = inner, []

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, key):
        self.keys.append(key)
        return self.inner[key]


def loader_of(paths, *, batch_size=2, workers=0, seed=0):
    dataset = SegmentVideoDataset(
        manifest=Manifest.from_pairs([(str(path), 0) for path in paths]),
        decoder=PyavDecoder(threads=1, short_side_pixels=None),
        sampling=SegmentClipSampler(segments=3, frames_per_clip=1, frame_stride=1),
        transform=ContrastiveTransform(size_pixels=8, scale=(0.2, 1.0), ratio=(3 / 4, 4 / 3)),
        color_augmentation=NoPhotometry(),
        seed=seed,
    )
    sampler = EpochSampler(videos=len(paths), batch_size=batch_size, rank=0, ranks=1, seed=seed)
    return ResumableLoader(dataset=Recorder(dataset), sampler=sampler, workers=workers, prefetch_batches=2, on_gpu=False)


@pytest.fixture
def paths(tmp_path):
    return copies(tmp_path / f"{number}.avi" for number in range(9))


def indices(batches):
    return [batch.video_index.tolist() for batch in batches]


@pytest.mark.parametrize("workers", [0, 2])
def test_it_goes_on_where_it_was(paths, workers):
    whole = loader_of(paths, workers=workers)
    whole.sampler.set_epoch(3)
    expected = list(whole)
    first = loader_of(paths, workers=workers)
    first.sampler.set_epoch(3)
    batches = iter(first)
    for _ in range(3):
        next(batches)
    state = first.state_dict()
    assert (state["epoch"], state["position"]) == (3, 3)
    second = loader_of(paths, workers=workers)
    second.load_state_dict(state)
    assert second.state_dict() == state
    (rest,) = list(second)
    assert rest.video_index.tolist() == expected[3].video_index.tolist()
    assert rest.views.equal(expected[3].views)
    assert len(second) == 4
    if not workers:
        assert [index for _, index in second.dataset.keys] == rest.video_index.tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_do_not_depend_on_workers_and_epochs_differ(paths, workers):
    one, other = loader_of(paths), loader_of(paths, workers=workers)
    seen = []
    for epoch in (0, 1):
        for loader in (one, other):
            loader.sampler.set_epoch(epoch)
        pairs = list(zip(one, other, strict=True))
        assert all(mine.views.equal(theirs.views) and mine.color_parameters.equal(theirs.color_parameters) for mine, theirs in pairs)
        seen.append(indices(mine for mine, _ in pairs))
    assert seen[0] != seen[1]


def test_another_epoch_starts_anew(paths):
    loader = loader_of(paths)
    everything = indices(loader)
    finished = loader.state_dict()
    assert (finished["seen"], finished["position"]) == (8, 4)
    for state in (finished, finished | {"seen": 4}):
        loader.load_state_dict(state)
        loader.sampler.set_epoch(1)
        assert len(list(loader)) == 4
    loader.sampler.set_epoch(0)
    assert indices(loader) == everything


def test_nothing_is_read_before_the_first_batch_is_asked_for(paths):
    """Lightning makes an iterator, and only then tells the epoch."""
    loader = loader_of(paths)
    batches = iter(loader)
    loader.sampler.set_epoch(5)
    next(batches)
    assert {epoch for epoch, _ in loader.dataset.keys} == {5}


def test_an_epoch_left_early_does_not_move_the_next(paths):
    loader = loader_of(paths, workers=1)
    expected = indices(loader)
    next(iter(loader))
    assert loader.state_dict()["position"] == 1
    assert indices(loader) == expected


def test_a_finished_epoch_has_nothing_left(paths):
    """A checkpoint of the last batch: the callbacks of the epoch's end follow, and then the next epoch."""
    loader = loader_of(paths)
    list(loader)
    again = loader_of(paths)
    again.load_state_dict(loader.state_dict())
    assert list(again) == []
    assert len(again) == 4


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_epoch_continues_in_batches_of_another_size(paths, batch_size):
    """Nine videos, of which four were seen, in the state of this version and of 0.1.0, which counted batches."""
    order = [index for _, index in EpochSampler(videos=9, batch_size=9, rank=0, ranks=1, seed=0)]
    loader = loader_of(paths)
    batches = iter(loader)
    next(batches), next(batches)
    state = loader.state_dict()
    for stored in (state, {name: value for name, value in state.items() if name != "seen"}):
        other = loader_of(paths, batch_size=batch_size)
        other.load_state_dict(stored)
        found = [index for batch in indices(other) for index in batch]
        assert found == order[4 : 4 + len(found)]
        assert len(found) == 5 // batch_size * batch_size
        assert other.state_dict()["seen"] == 4 + len(found)


def test_other_options_inside_an_epoch_are_told(paths):
    state = loader_of(paths).state_dict() | {"seen": 4}
    with pytest.raises(InputError, match=r"to keep seed=0; got seed=1\. Use the data and seed"):
        loader_of(paths, seed=1).load_state_dict(state)
    loader_of(paths, seed=1).load_state_dict(state | {"seen": 0})


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_readable_is_told_in_the_main_process(tmp_path, workers):
    loader = loader_of([write_broken(tmp_path / f"{number}.mp4") for number in range(3)], workers=workers)
    with pytest.raises(
        BrokenVideosError, match=r"training videos that can be read; got none, 3 failed, the first is '.*\.mp4' \(pyav: "
    ) as told:
        next(iter(loader))
    assert len(told.value.broken) == 3
