"""Signals set a flag; forks end by their parent alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from vclr_pl.stop import Stopped, listening, stop_if_requested, stop_requested


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 138), (signal.SIGUSR2, 140)])
def test_a_signal_is_read_where_the_work_reads_it(number, code):
    before = signal.getsignal(number)
    with listening():
        stop_if_requested()
        os.kill(os.getpid(), number)
        assert stop_requested() == number
        with pytest.raises(Stopped) as stopped:
            stop_if_requested()
    assert stopped.value.exit_code == code
    assert stop_requested() is None
    assert signal.getsignal(number) == before


def test_the_first_signal_names_the_end():
    with listening():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop_requested() == signal.SIGTERM


def test_errors_that_are_caught_do_not_contain_it():
    assert not issubclass(Stopped, Exception)


SECOND = """
import os, signal
from vclr_pl.stop import listening
with listening(answer="once more ends"):
    os.kill(os.getpid(), signal.SIGINT)
    print("first", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("second", flush=True)
"""


def test_a_second_interrupt_ends_at_once():
    done = subprocess.run([sys.executable, "-c", SECOND], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "first\n", "once more ends")


AFTER = """
import atexit, os, signal, sys
from vclr_pl.stop import listening
late = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGINT)
atexit.register(lambda: [os.kill(os.getpid(), number) for number in late])  # registered first, so done last
with listening(until_exit=True):
    pass
for number in (signal.SIGTERM, signal.SIGUSR1):
    os.kill(os.getpid(), number)
sys.exit(7)
"""


def test_no_signal_changes_the_exit_code_once_the_work_has_ended():
    assert subprocess.run([sys.executable, "-c", AFTER], check=False).returncode == 7


def test_other_threads_leave_the_handlers_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with listening():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


FORK = """
import os, signal, sys, time
from vclr_pl.stop import listening, stop_requested
with listening():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"r")
        time.sleep(20)
        print("late", flush=True)
        os._exit(7)
    os.read(reading, 1)
    for sender in sys.argv[1].split():
        if sender == "other":  # a signal to the group, which another process sends
            for name in ("TERM", "INT", "USR1"):
                os.spawnlp(os.P_WAIT, "sh", "sh", "-c", f"kill -{name} {child}")
            time.sleep(0.2)
            print("alive" if os.waitpid(child, os.WNOHANG) == (0, 0) else "gone", flush=True)
        elif sender == "parent":
            os.kill(child, signal.SIGTERM)
            print(os.waitpid(child, 0)[1], flush=True)
        else:
            os._exit(0)
"""


def forked(senders):
    return subprocess.run([sys.executable, "-c", FORK, senders], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="this machine has no sigtimedwait")
def test_a_fork_is_ended_by_its_parent_alone():
    assert forked("other parent") == ["alive", "0"]


@pytest.mark.skipif(not hasattr(signal, "sigtimedwait"), reason="this machine has no sigtimedwait")
def test_a_fork_ends_with_its_parent():
    """The fork holds the pipe of standard output, so `forked` returns once it has ended."""
    assert forked("end") == []
