import ctypes
import errno
import gc
import os
import pickle
import signal
import time
from pathlib import Path

import pytest
import torch
from tests.file_size_limit import small_files
from tests.unit.video.numbered_video import numbers_shown, write_numbered_video
from tests.unit.video.process_watch import children_of, parent_of, wait_until
from torch.utils.data import DataLoader

from vclr_pl.types import InputError
from vclr_pl.video.isolated import IsolatedDecoder
from vclr_pl.video.protocol import VideoReadError
from vclr_pl.video.pyav import PyavDecoder, PyavReader

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


class SpitefulDecoder(PyavDecoder):
    """PyAV, but files of certain names do what a broken decoder does: real crashes and a real hang."""

    def open(self, path):
        if "crash" in Path(path).name:
            ctypes.string_at(0)
        if "hang" in Path(path).name:
            ctypes.CDLL(None).sleep(60)  # in C: no Python signal handler would run
        if "bug" in Path(path).name:
            raise RuntimeError("a bug of the decoder")
        if "crowd" in Path(path).name:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().open(path)


def isolated(*, decode_timeout_seconds=20.0):
    return IsolatedDecoder(decoder=SpitefulDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=decode_timeout_seconds)


@pytest.fixture
def video(tmp_path):
    return write_numbered_video(tmp_path / "good.mp4", frames=40)


def test_frames_are_those_of_the_decoder_inside(video):
    wanted = [39, 0, 7, 7]
    with isolated().open(video) as reader, PyavDecoder(threads=1, short_side_pixels=None).open(video) as inside:
        frames, expected = reader.frames(wanted), inside.frames(wanted)
        assert reader.frame_count == inside.frame_count
    assert torch.equal(frames, expected)
    assert frames.is_contiguous(memory_format=torch.channels_last)


def test_an_answer_larger_than_the_shared_memory_makes_it_grow(tmp_path):
    video = write_numbered_video(tmp_path / "v.mp4", frames=40)
    decoder = IsolatedDecoder(decoder=PyavDecoder(threads=1, short_side_pixels=480), decode_timeout_seconds=20)
    with decoder.open(video) as reader:
        for wanted in ([3, 4, 5, 6, 39], list(range(12)), [1]):  # 4.6, 11 and 1 MB
            assert numbers_shown(reader.frames(wanted)) == wanted


def test_a_crash_costs_that_video_and_says_the_signal(tmp_path, video):
    decoder = isolated()
    (tmp_path / "crash.mp4").write_bytes(b"x")
    for _ in range(2):
        with pytest.raises(VideoReadError, match=r"crashed \(SIGSEGV\)") as refused:
            decoder.open(tmp_path / "crash.mp4")
        assert (refused.value.path, refused.value.backend) == (str(tmp_path / "crash.mp4"), "pyav")
        with decoder.open(video) as reader:
            assert numbers_shown(reader.frames([5])) == [5]


def test_a_hang_in_c_costs_the_timeout_and_no_more(tmp_path, video):
    decoder = isolated(decode_timeout_seconds=0.3)
    (tmp_path / "hang.mp4").write_bytes(b"x")
    begin = time.monotonic()
    with pytest.raises(VideoReadError, match=r"no answer within 0\.3 s \(decode_timeout_seconds\)"):
        decoder.open(tmp_path / "hang.mp4")
    assert time.monotonic() - begin < 5
    assert isolated().open(video).frame_count == 40


class SlowReader(PyavReader):
    def _read(self):
        time.sleep(0.05)
        super()._read()


class SlowDecoder(PyavDecoder):
    def open(self, path):
        return SlowReader(path, threads=1, short_side_pixels=None)


def test_the_limit_is_for_one_frame_and_not_for_the_whole_call(video):
    """Forty frames of 0.05 s each: a sound long video whose frames are counted from its start takes minutes."""
    decoder = IsolatedDecoder(decoder=SlowDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=0.7)
    with decoder.open(video) as reader:
        begin = time.monotonic()
        assert numbers_shown(reader.frames([39, 0])) == [39, 0]
        assert numbers_shown(reader.frames(list(range(40)))) == list(range(40))
        assert time.monotonic() - begin > 1.4


def test_a_child_that_died_while_it_waited_is_no_videos_fault(video):
    decoder = IsolatedDecoder(decoder=PyavDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=20)
    with decoder.open(video) as reader:
        first = decoder.child()
        os.kill(first.number, signal.SIGKILL)
        assert wait_until(lambda: not first.is_ours_and_alive())
        assert numbers_shown(reader.frames([2])) == [2]
    with decoder.open(video) as reader:
        assert numbers_shown(reader.frames([3])) == [3]
    assert decoder.child().number != first.number


def test_a_reader_outlives_the_crash_of_another_video(tmp_path, video):
    decoder = isolated()
    (tmp_path / "crash.mp4").write_bytes(b"x")
    with decoder.open(video) as reader:
        with pytest.raises(VideoReadError):
            decoder.open(tmp_path / "crash.mp4")
        assert numbers_shown(reader.frames([9, 2])) == [9, 2]


def test_errors_of_the_decoder_come_through(tmp_path, video):
    decoder = isolated()
    (tmp_path / "bug.mp4").write_bytes(b"x")
    with pytest.raises(VideoReadError, match="RuntimeError: a bug of the decoder"):
        decoder.open(tmp_path / "bug.mp4")
    with pytest.raises(VideoReadError, match="no such file"):
        decoder.open(tmp_path / "absent.mp4")
    with decoder.open(video) as reader, pytest.raises(IndexError, match="frames 0 to 39"):
        reader.frames([40])


class Videos(torch.utils.data.Dataset):
    def __init__(self, paths, decoder):
        self.paths, self.decoder = paths, decoder

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, place):
        try:
            with self.decoder.open(self.paths[place]) as reader:
                return numbers_shown(reader.frames([place]))[0]
        except VideoReadError:
            return -1


def test_a_loaders_workers_survive_crashes_and_hangs_and_leave_no_process(tmp_path, video):
    decoder = isolated(decode_timeout_seconds=3.0)
    paths = [video] * 12
    for place, name in ((2, "crash.mp4"), (5, "hang.mp4"), (8, "crash.mp4")):
        paths[place] = tmp_path / name
        paths[place].write_bytes(b"x")
    assert decoder.open(video).frame_count == 40  # the main process has a child already; workers must not talk to it
    server = parent_of(decoder.child().number)
    before = children_of(server)
    read = [int(number) for number in DataLoader(Videos(paths, decoder), batch_size=None, num_workers=2)]
    assert read == [0, 1, -1, 3, 4, -1, 6, 7, -1, 9, 10, 11]
    assert wait_until(lambda: children_of(server) <= before)


def test_a_copy_has_its_own_child(video):
    decoder = isolated()
    decoder.open(video)
    copy = pickle.loads(pickle.dumps(decoder))
    assert copy.open(video).frame_count == 40
    assert copy.child() is not decoder.child()


def test_a_machine_without_memory_for_the_first_child_is_no_fault_of_the_video(video):
    decoder = isolated()
    with small_files(), pytest.raises(InputError, match=r"expected a process for decoding.*; got File too large\. Raise .*`ulimit -f`"):
        decoder.open(video)
    assert decoder.open(video).frame_count == 40


def test_where_another_child_cannot_be_had_the_next_video_is_tried_again(tmp_path, video):
    decoder = isolated()
    (tmp_path / "crash.mp4").write_bytes(b"x")
    with pytest.raises(VideoReadError):
        decoder.open(tmp_path / "crash.mp4")
    with small_files(), pytest.raises(VideoReadError, match=r"no process for decoding \(File too large\)") as refused:
        decoder.open(video)
    assert refused.value.is_temporary
    assert decoder.open(video).frame_count == 40


def test_what_the_system_refuses_to_a_child_may_pass(tmp_path):
    (tmp_path / "crowd.mp4").write_bytes(b"x")
    with pytest.raises(VideoReadError, match="Too many open files") as refused:
        isolated().open(tmp_path / "crowd.mp4")
    assert refused.value.is_temporary


def test_a_failed_child_leaves_no_file_open(video):
    decoder = isolated()
    gc.collect()  # files of other tests that only a garbage cycle keeps open
    count = len(os.listdir("/dev/fd"))  # noqa: PTH208
    for _ in range(3):
        with small_files(), pytest.raises(InputError):
            decoder.open(video)
    assert len(os.listdir("/dev/fd")) == count  # noqa: PTH208
