"""Python objects between two processes, at the least cost for each: a frame is asked for thousands of times a minute."""

from __future__ import annotations

import contextlib
import pickle
import select
import socket
from collections.abc import Sequence
from typing import Any

_LENGTH_BYTES = 4
_CHUNK_BYTES = 1 << 16
_MOST_DESCRIPTORS = 8


class MessageSocket:
    """One end. What it raises when the other end is closed or its process gone is a ConnectionError."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = b""  # not yet taken: several messages may come at once
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    @classmethod
    def pair(cls) -> tuple[MessageSocket, MessageSocket]:
        one, other = socket.socketpair()
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._end.fileno()

    @property
    def has_news(self) -> bool:
        """Whether `receive` has something to give, or an end to tell, without waiting."""
        return bool(self._received) or bool(self._poll.poll(0))

    def send(self, message: object) -> None:
        self._end.sendall(framed(message))

    def send_with_descriptors(self, message: object, descriptors: Sequence[int]) -> None:
        """The other process gets file descriptors of its own, for the same files; it takes them with `receive_with_descriptors`."""
        content = framed(message)
        socket.send_fds(self._end, [content[:_LENGTH_BYTES]], list(descriptors))
        self._end.sendall(content[_LENGTH_BYTES:])

    def send_sign(self) -> None:
        """A sign of life, no message: the other end's time limit begins anew."""
        self._end.sendall(bytes(_LENGTH_BYTES))

    def receive(self, *, timeout_seconds: float | None) -> Any:
        """The next message. Raises TimeoutError where nothing comes, not even a sign, for `timeout_seconds`; None waits for ever."""
        self._end.settimeout(timeout_seconds)
        while not (length := int.from_bytes(self._take(_LENGTH_BYTES), "little")):
            pass  # a sign of life
        return pickle.loads(self._take(length))

    def receive_with_descriptors(self) -> tuple[Any, list[int]]:
        """A message that was sent so, as the first of all."""
        length, descriptors, _, _ = socket.recv_fds(self._end, _LENGTH_BYTES, _MOST_DESCRIPTORS)
        if len(length) < _LENGTH_BYTES:
            raise ConnectionResetError("the other end is closed")
        return pickle.loads(self._take(int.from_bytes(length, "little"))), descriptors

    def close(self) -> None:
        """Of this process; others that hold the same end keep it open."""
        self._end.close()

    def shut(self) -> None:
        """For every process that holds this end."""
        with contextlib.suppress(OSError):
            self._end.shutdown(socket.SHUT_RDWR)
        self._end.close()

    def _take(self, length: int) -> bytes:
        while len(self._received) < length:
            content = self._end.recv(_CHUNK_BYTES)
            if not content:
                raise ConnectionResetError("the other end is closed")
            self._received += content
        taken, self._received = self._received[:length], self._received[length:]
        return taken


def framed(message: object) -> bytes:
    """As it goes through the socket."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(content).to_bytes(_LENGTH_BYTES, "little") + content
