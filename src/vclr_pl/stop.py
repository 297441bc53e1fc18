"""Stops on request: a signal only sets a flag, and the work reads it where nothing is lost, after a training step or before the next video.

SIGTERM comes from schedulers, containers and torchrun, SIGINT from Ctrl-C, SIGUSR1 from SLURM (`--signal=USR1@90`) ahead of a time limit,
SIGUSR2 likewise in jobs of hydra-submitit-launcher.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = tuple(signal.Signals[name] for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2") if name in signal.Signals.__members__)
SIGNALLED = 128  # exit code of a process that a signal has ended, without the number of the signal


class Stopped(BaseException):
    """The work ends because of `number`, a signal; what it has finished is on the disk. `except Exception` does not catch it.

    Args:
        agreed: all ranks stop at the same point, and none waits for another.
    """

    def __init__(self, number: int, *, agreed: bool = False) -> None:
        super().__init__(number)
        self.signal, self.agreed = signal.Signals(number), agreed

    @property
    def exit_code(self) -> int:
        """143 for SIGTERM, 130 for SIGINT, as a shell reports them."""
        return SIGNALLED + self.signal

    def __str__(self) -> str:
        return f"stopped by {self.signal.name}"


def stop_by(exit_code: int) -> Stopped | None:
    """The stop with which a process of the package has ended; None for a success or a failure."""
    number = exit_code - SIGNALLED
    return Stopped(number) if number in SIGNALS else None


_requested: signal.Signals | None = None
_listening = False


def stop_requested() -> signal.Signals | None:
    """The first signal that asked this process to stop; None without one."""
    return _requested


def is_listening() -> bool:
    """True within `listening`, in this process."""
    return _listening


def request_stop() -> None:
    """Set the flag without a signal: another rank has ended."""
    global _requested
    if _requested is None and _listening:
        _requested = signal.SIGTERM


def stop_if_requested() -> None:
    """
    Raises:
        Stopped: a signal asked this process to stop.
    """
    if _requested is not None:
        raise Stopped(_requested)


@contextlib.contextmanager
def listening(*, answer: str = "", until_exit: bool = False) -> Iterator[None]:
    """Signals set the flag during the block; afterwards handlers and flag are as before. A second Ctrl-C ends the process at once.

    Outside the main thread, where Python sets no handlers, nothing changes.

    Args:
        answer: to the first Ctrl-C, on stderr.
        until_exit: the process ends after the block, with an exit code of its own: the handlers stay, and while Python ends no signal
            changes that code.
    """
    global _requested, _listening
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, handlers = (_requested, _listening), {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, _: FrameType | None) -> None:
        global _requested
        if _requested is None:
            _requested = signal.Signals(number)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # also ends a process that waits in C, where no Python handler runs
            with contextlib.suppress(OSError):
                os.write(2, answer.encode())  # print is not safe in a handler

    _requested, _listening = None, True
    for number in SIGNALS:
        signal.signal(number, handle)
    if until_exit:
        atexit.register(_ignore_signals)  # before others register what may take long, so done after them
    try:
        yield
    finally:
        _requested, _listening = before
        if not until_exit:
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _ignore_signals() -> None:
    """Python gives default actions back to signals that have a handler, before it frees its memory, which takes a second with torch."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """A signal ends the process at once during the block, also where it waits in C: nothing is lost yet."""
    if not _listening or threading.current_thread() is not threading.main_thread():
        yield
        return
    stop_if_requested()
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


_LOOK_SECONDS = 1.0  # between two looks of a fork at its parent


def _leave_signals_to_parent() -> None:
    """In a fork of a listening process, such as a loader's worker: end when the parent ends or terminates it, by no other signal.

    Ctrl-C, torchrun and SLURM signal all processes of a run. A worker that ended then would take the batches of the last step with it.
    """
    global _requested, _listening
    if not _listening:
        return
    _requested, _listening = None, False
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    if hasattr(signal, "sigtimedwait"):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def stop_with(process: int) -> None:
    """Request a stop, by SIGTERM, when `process`, which started this one, has ended."""

    def look() -> None:
        while os.getppid() == process:
            time.sleep(_LOOK_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=look, daemon=True).start()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        received = signal.sigtimedwait({signal.SIGTERM}, _LOOK_SECONDS)
        if received is not None and received.si_pid == parent:
            os._exit(0)
    os._exit(1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_signals_to_parent)
