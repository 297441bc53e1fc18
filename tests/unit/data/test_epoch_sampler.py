"""Whole orders: shares of ranks, epochs, and the place to go on from."""

from __future__ import annotations

import pytest
from torch.utils.data.distributed import DistributedSampler

from vclr_pl.data.epoch_sampler import EpochSampler
from vclr_pl.types import InputError


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
    rest.first_batch = 3
    assert list(rest) == whole[12:]
    assert len(rest) == 20


def test_a_batch_larger_than_the_data_is_told():
    with pytest.raises(
        InputError, match=r"no larger than the data, 23 videos; got loader\.batch_size=24\. Set loader\.batch_size=23 or less"
    ):
        sampler(batch_size=24)
    with pytest.raises(InputError, match=r"got 2 processes x 12 = 24 videos a step\. Set loader\.batch_size=11 or less"):
        sampler(batch_size=12, ranks=2)
