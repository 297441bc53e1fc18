"""Processes without the threads of the one that asks: whatever it did before, however it was started, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.unit.video.process_watch import children_of, parent_of, runs, wait_until

from vclr_pl.types import InputError
from vclr_pl.video.clean_process import CleanProcess, ProcessEndedError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")

SIZES = ((426, 240), (340, 256), (320, 240))
READING = """
from vclr_pl.video.choice import AutoDecoder
from vclr_pl.video.isolated import IsolatedDecoder
decoder = IsolatedDecoder(decoder=AutoDecoder(threads=1, short_side_pixels=None), decode_timeout_seconds=6)
"""
AFTER_OPENMP = f"""
import sys
import numpy, torch
from torch.utils.data import DataLoader
torch.set_num_threads(2)
matrix = torch.rand(1500, 1500)
(matrix @ matrix).sum()
torch.nn.Conv2d(16, 32, 3)(torch.rand(8, 16, 64, 64)).sum().backward()
torch.rand(4000, 4000).sin().sum()
print("once", flush=True)
{READING}
class Videos(torch.utils.data.Dataset):
    def __init__(self, paths): self.paths = paths
    def __len__(self): return len(self.paths)
    def __getitem__(self, place):
        with decoder.open(self.paths[place]) as reader:
            return reader.frames([0, 10, 19])
for workers in (0, 1, 4):
    frames = list(DataLoader(Videos(sys.argv[2:]), batch_size=None, num_workers=workers))
    numpy.savez(f"{{sys.argv[1]}}/{{workers}}.npz", *[video.numpy() for video in frames])
"""


def environment() -> dict[str, str]:
    """The user's: torch may use all cores."""
    return {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"} | {"PYTHONPATH": os.pathsep.join(sys.path)}


def ran(*arguments: object, given: str | None = None, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)], env=environment(), cwd=folder, input=given, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def odd_widths(tmp_path: Path, ffmpeg: str) -> list[Path]:
    files = [tmp_path / f"{width}.mkv" for width, _ in SIZES]
    for file, (width, height) in zip(files, SIZES, strict=True):
        source = f"testsrc2=size={width}x{height}:rate=25:duration=0.8"
        command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p", str(file)]
        subprocess.run(command, check=True, timeout=60)
    return files


def shown_by_ffmpeg(ffmpeg: str, file: Path, *, width: int, height: int) -> np.ndarray:
    """`[T, C, H, W]`."""
    command = [ffmpeg, "-v", "error", "-i", str(file), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)[[0, 10, 19]].transpose(0, 3, 1, 2)


def test_after_openmp_any_width_reads_with_any_number_of_workers(
    tmp_path: Path, ffmpeg: str, odd_widths: list[Path], torchcodec_works: None
) -> None:
    script = tmp_path / "plain_script.py"  # without a guard, in a module-level loop
    script.write_text(AFTER_OPENMP)
    done = ran(script, tmp_path, *odd_widths)
    assert (done.returncode, done.stdout) == (0, "once\n"), done.stderr
    expected = [shown_by_ffmpeg(ffmpeg, file, width=width, height=height) for file, (width, height) in zip(odd_widths, SIZES, strict=True)]
    for workers in (0, 1, 4):
        stored = np.load(tmp_path / f"{workers}.npz")
        for name, frames in zip(stored.files, expected, strict=True):
            assert stored[name].shape == frames.shape
            assert np.abs(stored[name].astype(int) - frames).mean() < 1.5


def test_the_main_module_is_not_run_again_whatever_it_is(tmp_path: Path, odd_widths: list[Path]) -> None:
    program = f"print('once')\n{READING}\nwith decoder.open({str(odd_widths[0])!r}) as reader: print(reader.frame_count)\n\n"
    (tmp_path / "mine.py").write_text(program)
    for arguments, given in ((["-m", "mine"], None), (["-i", "-q"], program)):
        done = ran(*arguments, given=given, folder=tmp_path)
        assert done.stdout.split() == ["once", "20"], done.stderr


OWNER = f"""
import ctypes, os, sys, time, torch
(torch.rand(500, 500) @ torch.rand(500, 500)).sum()
{READING}
from torch.utils.data import DataLoader
from hanging import HangingDecoder
decoder.decoder = HangingDecoder(threads=1, short_side_pixels=None)
class Videos(torch.utils.data.Dataset):
    def __len__(self): return 4
    def __getitem__(self, place):
        print(decoder.child().number, flush=True)
        decoder.open("hang.mp4")
print(decoder.child().number, flush=True)
list(DataLoader(Videos(), batch_size=None, num_workers=2))
"""
HANGING = """
import ctypes
from vclr_pl.video.pyav import PyavDecoder
class HangingDecoder(PyavDecoder):
    def open(self, path):
        ctypes.CDLL(None).sleep(600)
"""


def test_a_killed_owner_leaves_no_process(tmp_path: Path) -> None:
    """Nor do its workers' children, which hang in C and hear of nothing."""
    (tmp_path / "hanging.py").write_text(HANGING)
    (tmp_path / "owner.py").write_text(OWNER.replace("decode_timeout_seconds=6", "decode_timeout_seconds=600"))
    owner = subprocess.Popen([sys.executable, "owner.py"], env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    decoding = [int(owner.stdout.readline()) for _ in range(3)]
    everyone = {parent_of(decoding[0]), *decoding, *children_of(owner.pid)}
    assert len(everyone) == 6  # the server, three children, two workers
    owner.kill()
    owner.communicate()
    assert wait_until(lambda: not any(runs(process) for process in everyone))


def sleep_when_told(connection, descriptors):
    while True:
        connection.send(("heard", connection.recv()))


def tell_where(connection, descriptors):
    connection.send((str(Path.cwd()), [os.read(descriptor, 10) for descriptor in descriptors]))


def test_it_works_where_this_process_works_with_files_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_bytes(b"content")
    with (tmp_path / "x").open("rb") as file:
        process = CleanProcess(tell_where, descriptors=[file.fileno()])
    assert process.receive(timeout_seconds=20) == (str(tmp_path), [b"content"])
    with pytest.raises(ProcessEndedError, match="exit status 0"):
        process.receive(timeout_seconds=20)
    assert not process.is_ours_and_alive


def send_what_comes(connection, descriptors):
    while True:
        connection.send(connection.recv())


def test_none_is_a_sign_of_life_and_silence_a_timeout() -> None:
    process = CleanProcess(send_what_comes, descriptors=())
    with pytest.raises(TimeoutError):
        process.receive(timeout_seconds=0.05)
    messages = [None, ("open", 0, "ä" * 5, 0), (list(range(100_000)),), None, ("close",)]
    for message in messages:
        process.send(message)
        assert process.receive(timeout_seconds=20) == message
    assert process.is_ours_and_alive
    process.end()
    with pytest.raises(OSError, match="closed"):
        process.send("the process has ended")


def test_a_server_that_was_killed_is_replaced() -> None:
    first = CleanProcess(sleep_when_told, descriptors=())
    server = parent_of(first.number)
    os.kill(server, signal.SIGKILL)
    second = CleanProcess(sleep_when_told, descriptors=())
    assert parent_of(second.number) != server
    second.send("hello")
    assert second.receive(timeout_seconds=20) == ("heard", "hello")
    first.end()
    assert wait_until(lambda: not runs(first.number))


def test_control_c_reaches_the_whole_group_and_this_process_decides(tmp_path: Path, odd_widths: list[Path]) -> None:
    program = f"""
import os, signal, time
{READING}
reader = decoder.open({str(odd_widths[0])!r})
first = decoder.child().number
try:
    os.killpg(0, signal.SIGINT)
    time.sleep(20)
except KeyboardInterrupt:
    print(len(reader.frames([3])), decoder.child().number == first)
"""
    (tmp_path / "interrupted.py").write_text(program)
    done = subprocess.run(
        [sys.executable, tmp_path / "interrupted.py"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        start_new_session=True,  # the group that the terminal would send it to: this program and all that it starts
    )
    assert (done.stdout, done.stderr) == ("1 True\n", "")


def test_a_class_of_the_main_module_is_refused_in_one_line(tmp_path: Path) -> None:
    program = f"{READING}\nclass Mine(AutoDecoder): pass\ndecoder.decoder.__class__ = Mine\ndecoder.open('v.mp4')\n"
    (tmp_path / "own_class.py").write_text(program)
    done = ran(tmp_path / "own_class.py")
    assert "expected a decoder that a new process can import; got AttributeError: " in done.stderr.splitlines()[-1]
    assert done.stderr.endswith("Define its class in a separate module, not in the running script or notebook.\n")


def test_what_cannot_be_pickled_is_refused() -> None:
    with pytest.raises(InputError, match="that a new process can import"):
        CleanProcess(lambda connection, descriptors: None, descriptors=())


def test_a_python_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "vclr_pl").mkdir()  # what the new process finds first
    (tmp_path / "vclr_pl" / "__init__.py").write_text("raise RuntimeError('a broken installation')")
    started = READING.replace("decoder =", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\ndecoder =")
    (tmp_path / "start.py").write_text(f"import torch, vclr_pl\n{started}\ndecoder.open('v.mp4')\n")
    done = ran("-P", tmp_path / "start.py")
    assert f"expected '{sys.executable}' to start and import vclr_pl" in done.stderr.splitlines()[-1]
    assert "got RuntimeError: a broken installation." in done.stderr.splitlines()[-1]
