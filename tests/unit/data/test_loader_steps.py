"""Epochs of whole optimizer steps, with accumulated batches."""

from __future__ import annotations

import pytest

from vclr_pl.data.loader import EpochSampler
from vclr_pl.types import InputError


@pytest.mark.parametrize(("ranks", "accumulated"), [(1, 4), (2, 2), (4, 1)])
def test_accumulated_batches_make_whole_steps_of_the_same_videos(ranks, accumulated):
    """Of 23 videos in steps of 8: two steps on any number of devices, and the b-th step of each has the same videos."""
    single = EpochSampler(videos=23, batch_size=8, rank=0, ranks=1, seed=5)
    single.set_epoch(3)
    whole = list(single)
    shares = []
    for rank in range(ranks):
        made = EpochSampler(videos=23, batch_size=2, rank=rank, ranks=ranks, seed=5, accumulated=accumulated)
        made.set_epoch(3)
        assert (made.batches, made.batches_after(8), made.batches_after(16)) == (2 * accumulated, accumulated, 0)
        shares.append(list(made))
    assert sum(map(len, shares)) == 16
    of_device = 2 * accumulated
    for step in range(2):
        together = [key for share in shares for key in share[step * of_device : (step + 1) * of_device]]
        assert sorted(together) == sorted(whole[8 * step : 8 * step + 8])


@pytest.mark.parametrize(
    ("ranks", "got", "hint"),
    [
        (1, "32 x 8 accumulated batches = 256 videos per step", "loader.global_batch_size=64 or less"),
        (2, "2 processes x 32 x 4 accumulated batches = 256", "loader.global_batch_size=64 or less"),
        (4, "4 processes x 32 x 2 accumulated batches = 256", "loader.batch_size=23 or less"),
    ],
)
def test_a_global_batch_larger_than_the_data_is_refused(ranks, got, hint):
    with pytest.raises(InputError, match=f"92 videos; got {got}.*Set {hint}"):
        EpochSampler(videos=92, batch_size=32, rank=0, ranks=ranks, seed=0, accumulated=8 // ranks)
