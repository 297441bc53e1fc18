"""The server by its protocol: it forks, tells of ends, kills whose client is gone, and ends with its owner."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import pytest
from tests.unit.video.process_watch import parent_of, runs, threads_of, wait_until

from vclr_pl.video.clean_process import CleanProcess
from vclr_pl.video.process_server import ASK, ENDED, LIFE, READY, UNFIT, Beginning

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def wait_for_a_word(connection, descriptors):
    connection.recv()


def die(connection, descriptors):
    os.kill(os.getpid(), signal.SIGSEGV)


class Server:
    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        watching, self.life = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from vclr_pl.video.process_server import serve; serve()"],
            stdin=theirs,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        theirs.close()
        socket.send_fds(self.control, [LIFE], [watching])
        os.close(watching)

    def asked(self, work: bytes) -> Connection:
        ours, theirs = multiprocessing.Pipe()
        socket.send_fds(self.control, [ASK], [theirs.fileno()])
        theirs.close()
        ours.send(Beginning(folder=None, import_path=sys.path, work=work))
        return ours


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.control.close()
    assert server.process.wait(timeout=60) == 0
    os.close(server.life)


def test_it_forks_and_tells_of_the_end(server: Server) -> None:
    connection = server.asked(pickle.dumps(die))
    kind, process = connection.recv()
    assert (kind, connection.recv()) == (READY, (ENDED, signal.SIGSEGV))
    assert not runs(process)
    connection.close()


def test_work_that_cannot_be_imported_is_told(server: Server) -> None:
    connection = server.asked(b"cno_such_module\nname\n.")
    assert connection.recv() == (UNFIT, "ModuleNotFoundError: No module named 'no_such_module'")
    connection.close()


def test_a_process_ends_with_its_client_and_another_lives_on(server: Server) -> None:
    first, second = (server.asked(pickle.dumps(wait_for_a_word)) for _ in range(2))
    processes = [connection.recv()[1] for connection in (first, second)]
    first.close()
    assert wait_until(lambda: not runs(processes[0]))
    assert runs(processes[1])
    second.send("the word")
    assert second.recv() == (ENDED, 0)
    second.close()


def test_clients_that_leave_while_processes_end_cost_no_other(server: Server) -> None:
    kept = server.asked(pickle.dumps(wait_for_a_word))
    kept.recv()
    os.kill(server.process.pid, signal.SIGSTOP)  # so that all of this is found at once
    try:
        leaving = [server.asked(pickle.dumps(work)) for work in (die, wait_for_a_word, die)]
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    processes = [connection.recv()[1] for connection in leaving]
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        os.kill(processes[1], signal.SIGKILL)
        for connection in leaving:
            connection.close()
        another = server.asked(pickle.dumps(wait_for_a_word))
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    assert another.recv()[0] == READY
    for connection in (another, kept):
        connection.send("the word")
        assert connection.recv() == (ENDED, 0)
        connection.close()


def test_it_uses_no_time_while_nothing_is_asked(server: Server) -> None:
    server.asked(pickle.dumps(die)).close()
    connection = server.asked(pickle.dumps(wait_for_a_word))
    connection.recv()
    used = [_processor_ticks(server.process.pid), time.sleep(0.5), _processor_ticks(server.process.pid)]
    assert used[2] - used[0] <= 2  # of 50
    connection.close()


def test_it_ends_with_its_owner_and_takes_all_along() -> None:
    server = Server()
    connection = server.asked(pickle.dumps(wait_for_a_word))
    _, process = connection.recv()
    os.close(server.life)  # the owner is gone; a fork of it still holds the rest
    assert server.process.wait(timeout=60) == 0
    assert wait_until(lambda: not runs(process))
    server.control.close()
    connection.close()


def test_it_has_one_thread_and_its_processes_none_of_ours() -> None:
    stop = threading.Event()
    others = [threading.Thread(target=stop.wait) for _ in range(3)]
    for other in others:
        other.start()
    process = CleanProcess(wait_for_a_word, descriptors=())
    try:
        assert threads_of(parent_of(process.number)) == 1
        assert threads_of(process.number) == 1
    finally:
        stop.set()
        for other in others:
            other.join()


def _processor_ticks(process: int) -> int:
    with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
        fields = file.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
