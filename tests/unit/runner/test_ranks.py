"""Processes that are connected end together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vclr_pl.runner.ranks import Failure

RANK = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from vclr_pl.runner import ranks
from vclr_pl.runner.stopping import last_word
from vclr_pl.stop import SIGNALS, listening, stop_requested
ranks.PATIENCE_SECONDS, ranks.LAST_WORD_SECONDS = 2.0, 8.0
rank, folder, deeds = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3].split(",")
os.environ["RANK"] = str(rank)

def broadcast(value):
    path = folder / "said"
    if rank == 0:
        (folder / "draft").write_text(json.dumps(value))
        (folder / "draft").rename(path)
    while not path.exists():
        time.sleep(0.02)
    return json.loads(path.read_text())

with listening():
    if deeds[0] == "starts it" and rank == 0:
        child = subprocess.Popen([sys.executable, __file__, "1", *sys.argv[2:]], stdout=subprocess.DEVNULL)
        ranks.watch_children([child])
    ranks.connect(rank=rank, ranks=len(deeds), host="localhost", broadcast=broadcast, last_word=last_word)
    deed = deeds[rank]
    if deed == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if deed == "fails":
        ranks.tell(code=2, line="ValueError: private")
        sys.exit(2)
    if deed == "warned":
        ranks.tell(code=128 + signal.SIGUSR1, line="Stopped: stopped by SIGUSR1")
        sys.exit(0)
    if deed.startswith("fails and"):
        ranks.tell(code=2, line="ValueError: private")
        ranks.leave()  # which waits for the processes that this rank has started
        time.sleep(3 if deed == "fails and says it late" else 60)
        sys.exit("its own last word")
    if deed == "ends":
        ranks.leave()
        sys.exit(0)
    if deed == "stuck":
        time.sleep(60)
    while (found := ranks.failure_of_another()) is None and deed != "alone":
        pass
    if deed == "goes on":
        while ranks.failure_of_another() is None:
            pass
        ranks.leave().set()
        time.sleep(12)
        print("on its way")
        sys.exit(0)
    if deed == "alone":
        time.sleep(2.5)
        ranks.leave()
        sys.exit(0)
    print(found.rank, found.line, bool(stop_requested()), flush=True)
    ranks.leave()
    sys.exit(found.code)
"""


def ended(folder: Path, deeds: str) -> tuple[list[int], list[str], str]:
    """Exit codes, output of each rank, and what rank 0 has said on stderr."""
    program = folder / "rank.py"
    program.write_text(RANK)
    command = [sys.executable, str(program)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    first = 1 if deeds.startswith("starts it") else len(deeds.split(","))
    started = [subprocess.Popen([*command, str(rank), str(folder), deeds], **pipes) for rank in range(first)]
    said = [process.communicate(timeout=60) for process in started]
    return [process.returncode for process in started], [output.strip() for output, _ in said], said[0][1]


@pytest.mark.parametrize(("deeds", "codes"), [("works,works,killed", [1, 1, -9]), ("killed,works,works", [-9, 1, 1])])
def test_a_killed_rank_ends_the_others(tmp_path, deeds, codes):
    found, said, _ = ended(tmp_path, deeds)
    assert found == codes
    assert [line for line in said if line] == [f"{codes.index(-9)}  True"] * 2


def test_a_failed_rank_says_why(tmp_path):
    codes, said, _ = ended(tmp_path, "works,fails,works")
    assert codes == [2, 2, 2]
    assert said == ["1 ValueError: private True", "", "1 ValueError: private True"]


def test_a_rank_that_waits_in_a_collective_is_ended(tmp_path):
    codes, _, error = ended(tmp_path, "stuck,killed,stuck")
    assert codes == [1, -9, 1]
    assert error == "error: rank 1 was ended from outside, or crashed; the other processes end with it\n"


def test_a_rank_that_fails_alone_has_time_for_its_own_last_word(tmp_path):
    codes, _, error = ended(tmp_path, "fails and says it late,stuck")
    assert (codes, error) == ([1, 2], "its own last word\n")


def test_a_rank_that_fails_and_does_not_end_is_ended_with_its_line(tmp_path):
    codes, _, error = ended(tmp_path, "fails and hangs,stuck")
    assert (codes, error) == ([2, 2], "error: rank 0 failed: ValueError: private; the other processes end with it\n")


def test_a_rank_that_kills_the_failed_one_that_it_has_started_says_its_line(tmp_path):
    codes, _, error = ended(tmp_path, "starts it,fails and hangs")
    assert (codes, error) == ([2], "error: rank 1 failed: ValueError: private; the other processes end with it\n")


def test_a_process_that_goes_on_after_the_run_is_not_ended(tmp_path):
    codes, said, _ = ended(tmp_path, "goes on,killed")
    assert (codes[0], said[0]) == (0, "on its way")


def test_a_rank_that_has_ended_regularly_ends_no_other(tmp_path):
    codes, _, error = ended(tmp_path, "alone,ends,alone")
    assert (codes, error) == ([0, 0, 0], "")


def test_a_failure_names_its_rank():
    assert str(Failure(3, 2, "ValueError: private")) == "rank 3 failed: ValueError: private"


def test_a_rank_that_waits_in_a_collective_returns_the_job_of_a_stopped_one_to_its_queue(tmp_path, in_slurm):
    codes, _, error = ended(tmp_path, "stuck,warned,stuck")
    assert codes[:2] == [0, 0]
    assert (in_slurm / "asked").read_text() == "requeue 42\n"
    assert error == "stopped by SIGUSR1; SLURM job 42 is in the queue again\n"
