import gc
import os
import time

import av
import pytest
import torch
from tests.unit.data.decoding.numbered_video import numbers_shown, write_numbered_video

from vclr_pl.data.decoding.child_process import ChildEndedError, ChildProcess
from vclr_pl.data.decoding.pyav import PyavDecoder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class SlowDecoder(PyavDecoder):
    def open(self, path):
        time.sleep(0.6 if "slow" in os.fspath(path) else 0)
        return super().open(path)


class CollectingDecoder(PyavDecoder):
    def open(self, path):
        gc.collect()
        return super().open(path)


def test_frames_that_are_still_held_are_never_written_over(tmp_path):
    video = write_numbered_video(tmp_path / "v.mp4", frames=30)
    child = ChildProcess(PyavDecoder(threads=1, short_side_pixels=None), timeout_seconds=20)
    child.ask("open", 0, str(video))
    held = [child.ask("frames", 0, [number]) for number in range(30)]
    assert numbers_shown(torch.cat(held)) == list(range(30))
    first_place = held[0].data_ptr()
    held.clear()
    assert child.ask("frames", 0, [7]).data_ptr() == first_place  # lent again


def test_a_child_frees_nothing_that_it_inherited(tmp_path):
    """FFmpeg's scaler has threads; a forked process that ends them waits for ever."""
    video = write_numbered_video(tmp_path / "v.mp4", frames=5)
    with av.open(str(video)) as container:
        frame = next(container.decode(video=0))
    frame.to_ndarray(format="rgb24", width=2000, height=1500)
    cycle = [frame]
    cycle.append(cycle)
    gc.disable()
    try:
        del cycle, frame  # garbage from here on
        child = ChildProcess(CollectingDecoder(threads=1, short_side_pixels=None), timeout_seconds=5)
    finally:
        gc.enable()
    assert child.ask("open", 0, str(video)) == 5


def test_the_child_ends_with_its_owner_and_leaves_no_zombie(tmp_path):
    video = write_numbered_video(tmp_path / "v.mp4", frames=5)
    child = ChildProcess(PyavDecoder(threads=1, short_side_pixels=None), timeout_seconds=20)
    assert child.ask("open", 0, str(video)) == 5
    process = child._process
    del child
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_two_children_of_one_process_end_each_by_itself(tmp_path):
    decoder = PyavDecoder(threads=1, short_side_pixels=None)
    first, second = ChildProcess(decoder, timeout_seconds=20), ChildProcess(decoder, timeout_seconds=20)
    begin = time.monotonic()
    del first
    assert time.monotonic() - begin < 0.5  # at once: the second holds no end of the first one's pipe
    assert second.ask("open", 0, str(write_numbered_video(tmp_path / "v.mp4", frames=5))) == 5


def test_after_a_timeout_the_child_is_gone(tmp_path):
    child = ChildProcess(SlowDecoder(threads=1, short_side_pixels=None), timeout_seconds=0.2)
    with pytest.raises(ChildEndedError, match=r"no answer within 0\.2 s"):
        child.ask("open", 0, str(tmp_path / "slow.mp4"))
    assert not child.is_ours_and_alive()


def test_a_fork_of_the_owner_does_not_take_the_child_for_its_own():
    child = ChildProcess(PyavDecoder(threads=1, short_side_pixels=None), timeout_seconds=20)
    child._owner += 1  # what a forked worker sees: another process made it
    assert not child.is_ours_and_alive()
    child._owner -= 1
    assert child.is_ours_and_alive()
