"""Pieces of work in processes of their own: results, crashes, silence, exceptions, an early end."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from PIL import Image
from tests.file_size_limit import small_files
from tests.unit.video.changing_video import CHANGING, FIRST_HEIGHT, FIRST_WIDTH, PART_FRAMES, write_changing_video
from tests.unit.video.ffmpeg_frames import apart, shown_by_ffmpeg
from tests.unit.video.numbered_video import write_numbered_video
from tests.unit.video.process_watch import children_of, wait_until

from vclr_pl.files import whole_file
from vclr_pl.stop import Stopped, listening
from vclr_pl.types import InputError
from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.frame_folder import FrameFolderDecoder
from vclr_pl.video.pyav import PyavDecoder
from vclr_pl.video.readability import available_cores, check_readability, map_in_processes, process_count


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
    return dict(map_in_processes(pieces, **arguments))


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
        map_in_processes(
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
    server = next(map_in_processes([0], **options))[1]
    before = children_of(server)
    rows = map_in_processes(range(5), **options)
    next(rows)
    assert children_of(server) - before
    rows.close()
    assert wait_until(lambda: children_of(server) <= before)


def test_work_that_only_this_process_knows_is_refused():
    with pytest.raises(InputError, match=r"that a new process can import.*in a separate module"):
        results(["a"], work=lambda piece, sign_of_life: piece)


def test_the_number_of_processes():
    assert process_count(None, key="k") == available_cores() >= 1
    assert process_count(3, key="k") == 3
    with pytest.raises(InputError, match="k of at least 1"):
        process_count(0, key="k")


class SpitefulDecoder(PyavDecoder):
    """PyAV, but crashes or hangs, truly, on files of these names."""

    def open(self, path):
        if Path(path).name == "crash.mp4":
            ctypes.string_at(0)
        if Path(path).name == "hang.mp4":
            ctypes.CDLL(None).sleep(60)
        return super().open(path)


def checked(paths, decoder, **options):
    rows = check_readability(
        paths=[str(path) for path in paths], decoder=decoder, **{"processes": 2, "decode_timeout_seconds": 20, **options}
    )
    return {Path(row.path).name: row for row in rows}


def test_every_file_gets_a_row_whatever_its_decoder_does(tmp_path):
    good = [write_numbered_video(tmp_path / f"{frames}.mp4", frames=frames) for frames in (1, 30, 61)]
    spiteful = [tmp_path / name for name in ("crash.mp4", "hang.mp4", "text.mp4")]
    for path in spiteful:
        path.write_text("no video at all")
    decoder = SpitefulDecoder(threads=1, short_side_pixels=None)
    rows = checked([*good, *spiteful, tmp_path / "absent.mp4"], decoder, decode_timeout_seconds=0.7)
    assert {name: (row.status, row.frames) for name, row in rows.items()} == {
        "1.mp4": ("readable", 1),
        "30.mp4": ("readable", 30),
        "61.mp4": ("readable", 61),
        "crash.mp4": ("broken", 0),
        "hang.mp4": ("broken", 0),
        "text.mp4": ("broken", 0),
        "absent.mp4": ("broken", 0),
    }
    assert rows["crash.mp4"].reason == "the decoder crashed (SIGSEGV)"
    assert rows["hang.mp4"].reason == "no answer within 0.7 s (decode_timeout_seconds)"
    assert rows["absent.mp4"].reason == "no such file"
    assert rows["30.mp4"].reason == ""


def test_a_file_that_goes_bad_in_the_middle_is_broken_and_says_where(tmp_path):
    path = write_numbered_video(tmp_path / "v.mp4", frames=60, b_frames=0)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4 + (content.index(b"moov") - content.index(b"mdat")) // 2
    content[start : start + 400] = b"\xff" * 400
    path.write_bytes(bytes(content))
    row = checked([path], PyavDecoder(threads=1, short_side_pixels=None))["v.mp4"]
    assert row.status == "broken"
    assert 10 <= row.frames < 50


def test_a_reader_that_stops_early_stops_the_work(tmp_path):
    path = str(write_numbered_video(tmp_path / "v.mp4", frames=5))
    asked = []

    def endless():
        while True:
            asked.append(path)
            yield path

    rows = check_readability(
        paths=endless(), decoder=PyavDecoder(threads=1, short_side_pixels=None), processes=2, decode_timeout_seconds=20
    )
    next(rows)
    rows.close()
    count = len(asked)
    time.sleep(0.1)
    assert len(asked) == count


@pytest.mark.parametrize("error", [OSError(errno.EMFILE, os.strerror(errno.EMFILE)), ValueError("a defect of ours")])
def test_whatever_ends_a_thread_ends_the_work(tmp_path, error):
    """No file is left without a row in silence."""
    path = str(write_numbered_video(tmp_path / "v.mp4", frames=5))

    def paths():
        yield path
        raise error

    rows = check_readability(paths=paths(), decoder=PyavDecoder(threads=1, short_side_pixels=None), processes=2, decode_timeout_seconds=20)
    with pytest.raises(type(error), match=str(error.args[-1])):
        list(rows)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_without_memory_for_a_child_no_file_is_called_broken(tmp_path):
    paths = [write_numbered_video(tmp_path / f"{number}.mp4", frames=5) for number in range(3)]
    with small_files(), pytest.raises(InputError, match="got File too large"):
        checked(paths, PyavDecoder(threads=1, short_side_pixels=None))


def test_folders_of_pictures_are_checked_as_they_are_read(tmp_path):
    for number in range(3):
        (tmp_path / "v").mkdir(exist_ok=True)
        Image.new("RGB", (32, 32)).save(tmp_path / "v" / f"img_{number:05d}.jpg")
    for decoder in (FrameFolderDecoder(short_side_pixels=None), AutoDecoder(threads=1, short_side_pixels=None)):
        row = checked([tmp_path / "v"], decoder)["v"]
        assert (row.status, row.backend, row.frames) == ("readable", "frame_folder", 3)


@pytest.mark.parametrize("suffix", CHANGING)
def test_what_changes_its_size_is_read_by_check_and_by_training(tmp_path, ffmpeg, suffix):
    """Frames of another size are scaled to the first one's, as the ffmpeg program does."""
    path = write_changing_video(ffmpeg, tmp_path / "set", suffix=suffix)
    shown = shown_by_ffmpeg(ffmpeg, path, height=FIRST_HEIGHT, width=FIRST_WIDTH)
    assert len(shown) == 3 * PART_FRAMES
    for decoder in (AutoDecoder(threads=1, short_side_pixels=None), PyavDecoder(threads=1, short_side_pixels=None)):
        row = checked([path], decoder)[path.name]
        assert (row.status, row.frames, row.reason) == ("readable", 3 * PART_FRAMES, "")
        with decoder.open(path) as reader:
            assert row.backend == reader.backend
            for wanted in ([25, 3, 14], [12], list(range(30))):
                assert apart(reader.frames(wanted), shown[wanted]) <= 3, wanted
    with AutoDecoder(threads=1, short_side_pixels=24).open(path) as reader:
        assert tuple(reader.frames([2, 12, 22]).shape) == (3, 3, 24, 32)


def test_counts_are_ffprobes_on_real_footage(real_footage):
    """Where ffprobe counts every frame without an error line, the count is the same; elsewhere the file is not called readable in vain."""
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe program on the path")
    folder = real_footage / "nasty" if (real_footage / "nasty").is_dir() else real_footage
    paths = sorted(path for path in folder.iterdir() if path.is_file())[:40]
    rows = checked(paths, AutoDecoder(threads=1, short_side_pixels=None))
    for path in paths:
        counted = _ffprobe_count(path)
        row = rows[path.name]
        if counted is not None:
            assert (row.status, row.frames) == ("readable", counted), path
        elif row.status == "broken":
            assert row.reason


def _ffprobe_count(path) -> int | None:
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "json"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, timeout=120, check=False)
    streams = json.loads(done.stdout or "{}").get("streams", [])
    if done.returncode or done.stderr.strip() or not streams:
        return None
    return int(streams[0]["nb_read_frames"])


def draft_and_wait(piece, sign_of_life):
    """A piece that takes long, with a draft of its result."""
    with whole_file(Path(piece)) as draft:
        draft.touch()
        while True:
            time.sleep(0.05)
            sign_of_life()


def test_a_stop_leaves_no_draft(tmp_path):
    pieces = [str(tmp_path / "one"), str(tmp_path / "two")]
    failed, seen = (lambda piece, reason: (piece, reason)), []

    def stop_with_two_drafts():
        wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
        seen.extend(tmp_path.iterdir())
        os.kill(os.getpid(), signal.SIGTERM)

    with listening():
        threading.Thread(target=stop_with_two_drafts).start()
        with pytest.raises(Stopped):
            list(map_in_processes(pieces, work=draft_and_wait, failed=failed, processes=2, silence_seconds=60))
    assert len(seen) == 2
    assert not list(tmp_path.iterdir())
