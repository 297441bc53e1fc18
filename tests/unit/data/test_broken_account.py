"""Counting broken videos, in one process and in two."""

from __future__ import annotations

import pytest

from vclr_pl.data.broken_account import BrokenAccount
from vclr_pl.types import BrokenVideo, InputError


def lost(number):
    return BrokenVideo(path=f"{number}.mp4", backend="pyav", reason="no such file")


def test_each_video_counts_once():
    account = BrokenAccount(videos=20, max_broken_fraction=0.1)
    for _ in range(3):
        account.observe([lost(1), lost(2), lost(1)])
        account.agree()
    assert account.videos == (lost(1), lost(2))


def test_too_many_are_told():
    account = BrokenAccount(videos=20, max_broken_fraction=0.1)
    account.observe([lost(1), lost(2), lost(3)])
    with pytest.raises(
        InputError, match=r"at most 10% of 20 videos broken .*; got 3 so far, the first is '1\.mp4': no such file\..*max_broken_fraction"
    ):
        account.agree()


def broken_of_both_ranks():
    import torch.distributed as dist  # asked of a rank, not of the test

    account = BrokenAccount(videos=20, max_broken_fraction=0.1)
    rank = dist.get_rank()
    account.observe([lost(1)] if rank else [])
    account.agree()
    first = account.videos
    account.observe([lost(2), lost(3 + rank)])
    try:
        account.agree()
    except InputError as error:
        return first, account.videos, str(error)
    return None


def test_ranks_agree_and_stop_together(two_processes):
    answers = two_processes(broken_of_both_ranks)
    assert answers[0] == answers[1]
    assert answers[0][0] == (lost(1),)
    assert answers[0][1] == (lost(1), lost(2), lost(3), lost(4))


def test_one_broken_video_never_ends_a_run():
    account = BrokenAccount(videos=9, max_broken_fraction=0.1)
    account.observe([BrokenVideo(path="a.mp4", backend="pyav", reason="truncated")])
    account.agree()
    account.observe([BrokenVideo(path="b.mp4", backend="pyav", reason="truncated")])
    with pytest.raises(InputError, match="2 so far"):
        account.agree()


def test_one_slow_video_among_broken_ones_does_not_change_what_is_advised():
    slow = BrokenVideo(path="slow.mp4", backend="pyav", reason="no answer within 60 s", is_temporary=True)
    account = BrokenAccount(videos=20, max_broken_fraction=0.1)
    account.observe([lost(1), lost(2), slow])
    with pytest.raises(InputError, match=r"Replace them, or set loader\.max_broken_fraction higher\. 1 of the 3 may be sound\."):
        account.agree()
