import os
import time

import pytest
import torch
from tests.unit.data.decoding.numbered_video import write_numbered_video

from vclr_pl.data.decoding.child_process import ChildEndedError, ChildProcess, SharedMemory
from vclr_pl.data.decoding.pyav import PyavDecoder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class SlowDecoder(PyavDecoder):
    def open(self, path):
        time.sleep(0.6 if "slow" in os.fspath(path) else 0)
        return super().open(path)


def test_shared_memory_gives_back_what_was_written_and_grows():
    memory = SharedMemory()
    for frames, side in ((2, 8), (6, 700), (1, 3)):
        written = torch.randint(0, 256, (frames, 3, side, side + 1), dtype=torch.uint8)
        assert torch.equal(memory.read(memory.write(written)), written)


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
