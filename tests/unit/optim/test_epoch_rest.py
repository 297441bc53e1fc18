"""The rest of an epoch in batches of another size, against a slow count of videos."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vclr_pl.optim.epoch_rest import EpochRest, count_batches_of, epoch_rest

VIDEOS = 40


def data(global_batch: int) -> SimpleNamespace:
    return SimpleNamespace(batches_per_epoch=VIDEOS // global_batch, batches_after=lambda seen: (VIDEOS - seen) // global_batch)


def checkpoint(*, seen: int, between: bool = False, keeps_seen: bool = True) -> dict[str, Any]:
    """As Lightning writes it within its hook after batch 2 of 5."""
    loader = {"position": 2, "global_batch_size": seen // 2, **({"seen": seen} if keeps_seen else {})}
    loop = {
        "state_dict": {"combined_loader": [loader]},
        "epoch_progress": {"current": {"ready": 1, "started": 1, "processed": int(between), "completed": 0}},
        "epoch_loop.batch_progress": {
            "total": {"ready": 7, "started": 7, "processed": 7, "completed": 6},
            "current": {"ready": 2, "started": 2, "processed": 2, "completed": 1},
            "is_last_batch": False,
        },
        "epoch_loop.state_dict": {"_batches_that_stepped": 6},
    }
    return {"loops": {"fit_loop": loop}}


@pytest.mark.parametrize("keeps_seen", [True, False], ids=["videos", "batches of 0.1.0"])
@pytest.mark.parametrize(("seen", "global_batch"), [(16, 8), (16, 4), (16, 16), (8, 16), (32, 16), (36, 8), (16, 12)])
def test_the_rest_has_as_many_batches_as_fit_into_the_videos_that_are_left(seen: int, global_batch: int, keeps_seen: bool) -> None:
    present = data(global_batch)
    rest = epoch_rest(checkpoint(seen=seen, keeps_seen=keeps_seen), batches=present.batches_per_epoch, data=present)
    assert rest is not None
    left, batches = list(range(seen, VIDEOS)), 0
    while len(left) >= global_batch:
        left, batches = left[global_batch:], batches + 1
    assert rest.left == batches
    assert rest.done + rest.left == VIDEOS // global_batch


def test_there_is_none_between_epochs_and_without_loops() -> None:
    assert epoch_rest(checkpoint(seen=16, between=True), batches=5, data=data(8)) is None
    assert epoch_rest({"global_step": 20}, batches=5, data=data(8)) is None


def test_a_limited_epoch_ends_at_its_limit() -> None:
    assert epoch_rest(checkpoint(seen=16), batches=3, data=data(8)) == EpochRest(done=2, left=1)
    assert epoch_rest(checkpoint(seen=32), batches=3, data=data(8)) == EpochRest(done=3, left=0)


@pytest.mark.parametrize(
    ("done", "left", "accumulated", "steps"),
    [(2, 3, 1, 3), (2, 3, 2, 2), (2, 4, 2, 2), (1, 4, 2, 3), (5, 0, 1, 0), (5, 0, 2, 0), (0, 5, 3, 2)],
)
def test_steps_that_are_left(done: int, left: int, accumulated: int, steps: int) -> None:
    """Lightning steps after every `accumulated` batches, counted from the start of the epoch, and after the last."""
    slow = [batch for batch in range(done + 1, done + left + 1) if batch % accumulated == 0 or batch == done + left]
    assert EpochRest(done=done, left=left).steps(accumulated_batches=accumulated) == len(slow) == steps


@pytest.mark.parametrize(("rest", "is_last"), [(EpochRest(done=4, left=6), False), (EpochRest(done=5, left=0), True)])
def test_the_batches_are_counted_anew_and_the_last_one_is_completed(rest: EpochRest, is_last: bool) -> None:
    written = checkpoint(seen=16)
    count_batches_of(rest, written)
    loop = written["loops"]["fit_loop"]
    done = rest.done
    assert loop["epoch_loop.batch_progress"] == {
        "total": {"ready": 7, "started": 7, "processed": 7, "completed": 7},
        "current": {"ready": done, "started": done, "processed": done, "completed": done},
        "is_last_batch": is_last,
    }
    assert loop["epoch_loop.state_dict"]["_batches_that_stepped"] == 7
