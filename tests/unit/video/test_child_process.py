import os
import signal
import time

import pytest
import torch
from tests.unit.video.numbered_video import numbers_shown, write_numbered_video
from tests.unit.video.process_watch import runs, wait_until

from vclr_pl.video.child_process import ChildEndedError, ChildProcess
from vclr_pl.video.pyav import PyavDecoder

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class SlowDecoder(PyavDecoder):
    def open(self, path):
        time.sleep(0.6 if "slow" in os.fspath(path) else 0)
        return super().open(path)


class DyingDecoder(PyavDecoder):
    def open(self, path):
        os.kill(os.getpid(), getattr(signal, path))


def test_frames_that_are_still_held_are_never_written_over(tmp_path):
    video = write_numbered_video(tmp_path / "v.mp4", frames=30)
    child = ChildProcess(PyavDecoder(threads=1, short_side_pixels=None), timeout_seconds=20)
    child.ask("open", 0, str(video))
    held = [child.ask("frames", 0, [number]) for number in range(30)]
    assert numbers_shown(torch.cat(held)) == list(range(30))
    first_place = held[0].data_ptr()
    held.clear()
    assert child.ask("frames", 0, [7]).data_ptr() == first_place  # lent again


def test_the_child_ends_with_its_owner_and_leaves_no_zombie(tmp_path):
    video = write_numbered_video(tmp_path / "v.mp4", frames=5)
    child = ChildProcess(PyavDecoder(threads=1, short_side_pixels=None), timeout_seconds=20)
    assert child.ask("open", 0, str(video)) == 5
    process = child.number
    assert runs(process)
    del child
    assert wait_until(lambda: not runs(process))


def test_two_children_of_one_process_end_each_by_itself(tmp_path):
    decoder = PyavDecoder(threads=1, short_side_pixels=None)
    first, second = ChildProcess(decoder, timeout_seconds=20), ChildProcess(decoder, timeout_seconds=20)
    process = first.number
    del first
    assert wait_until(lambda: not runs(process))  # the second holds no end of the first one's socket
    assert second.ask("open", 0, str(write_numbered_video(tmp_path / "v.mp4", frames=5))) == 5


def test_after_a_timeout_the_child_is_gone(tmp_path):
    child = ChildProcess(SlowDecoder(threads=1, short_side_pixels=None), timeout_seconds=0.2)
    with pytest.raises(ChildEndedError, match=r"no answer within 0\.2 s") as ended:
        child.ask("open", 0, str(tmp_path / "slow.mp4"))
    assert ended.value.is_temporary
    assert not child.is_ours_and_alive()


def test_a_fork_of_the_owner_does_not_take_the_child_for_its_own():
    child = ChildProcess(PyavDecoder(threads=1, short_side_pixels=None), timeout_seconds=20)
    fork = os.fork()
    if fork == 0:
        os._exit(int(child.is_ours_and_alive()))
    assert os.waitpid(fork, 0)[1] == 0
    assert child.is_ours_and_alive()


@pytest.mark.parametrize(("name", "is_temporary"), [("SIGSEGV", False), ("SIGABRT", False), ("SIGKILL", True), ("SIGALRM", True)])
def test_what_a_decoder_does_to_itself_lasts_and_what_comes_from_outside_may_not(name, is_temporary):
    child = ChildProcess(DyingDecoder(threads=1, short_side_pixels=None), timeout_seconds=20)
    with pytest.raises(ChildEndedError, match=name) as ended:
        child.ask("open", 0, name)
    assert ended.value.is_temporary == is_temporary
