"""Pieces of work in processes of their own: results, crashes, silence, exceptions, an early end."""

from __future__ import annotations

import ctypes
import os
import time

import pytest
from tests.unit.data.decoding.process_watch import children_of, wait_until

from vclr_pl.data.process_pool import cores_at_hand, each_in_a_process, process_count
from vclr_pl.types import InputError


def fate(piece, sign_of_life):
    if piece == "crash":
        ctypes.string_at(0)
    if piece == "raise":
        raise ValueError("no good")
    if piece == "silence":
        time.sleep(60)
    if piece == "slow but alive":
        for _ in range(15):
            time.sleep(0.1)
            sign_of_life()
    return piece, os.getpid()


def nap(piece, sign_of_life):
    return piece, (time.monotonic(), time.sleep(0.4), time.monotonic())


def tell(piece, sign_of_life):
    if piece:
        time.sleep(60)
    return os.getpid(), os.getppid()


def results(pieces, **options):
    arguments = {"work": fate, "failed": lambda piece, reason: (piece, reason), "processes": 2, "silence_seconds": 1.0, **options}
    return dict(each_in_a_process(pieces, **arguments))


def test_each_piece_has_its_result_whatever_becomes_of_its_process():
    found = results(["a", "crash", "raise", "silence", "slow but alive", "b"])
    assert found["crash"] == "the process crashed (SIGSEGV)"
    assert found["raise"] == "ValueError: no good"
    assert found["silence"] == "no frame within 1 s"
    own = {found[piece] for piece in ("a", "b", "slow but alive")}
    assert len(own) == 3
    assert os.getpid() not in own


def test_pieces_run_side_by_side_and_no_more_than_asked():
    started = time.perf_counter()
    found = dict(
        each_in_a_process(
            range(4),
            work=nap,
            failed=lambda piece, reason: (piece, reason),
            processes=2,
            silence_seconds=20,
        )
    )
    assert time.perf_counter() - started >= 0.8
    for moment in [begin + 0.01 for begin, _, _ in found.values()]:
        assert sum(begin <= moment <= end for begin, _, end in found.values()) <= 2


def test_an_early_end_leaves_no_process_behind():
    options = {"work": tell, "failed": lambda piece, reason: reason, "processes": 3, "silence_seconds": 60}
    server = next(each_in_a_process([0], **options))[1]
    before = children_of(server)
    rows = each_in_a_process(range(5), **options)
    next(rows)
    assert children_of(server) - before
    rows.close()
    assert wait_until(lambda: children_of(server) <= before)


def test_work_that_only_this_process_knows_is_refused():
    with pytest.raises(InputError, match=r"that a new process can import.*in a module of its own"):
        results(["a"], work=lambda piece, sign_of_life: piece)


def test_the_number_of_processes():
    assert process_count(None, key="k") == cores_at_hand() >= 1
    assert process_count(3, key="k") == 3
    with pytest.raises(InputError, match="k of at least 1"):
        process_count(0, key="k")
