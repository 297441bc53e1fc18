"""Python objects between a process and its forked child, at the least cost for each: a frame is asked for thousands of times a minute."""

from __future__ import annotations

import pickle
import socket
from typing import Any

_LENGTH_BYTES = 4
_CHUNK_BYTES = 1 << 16


class MessageSocket:
    """One end. What it raises when the other end is closed or its process gone is a ConnectionError."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._received = b""  # not yet taken: several messages may come at once

    @classmethod
    def pair(cls) -> tuple[MessageSocket, MessageSocket]:
        one, other = socket.socketpair()
        return cls(one), cls(other)

    @property
    def descriptor(self) -> int:
        return self._end.fileno()

    def send(self, message: object) -> None:
        content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._end.sendall(len(content).to_bytes(_LENGTH_BYTES, "little") + content)

    def send_sign(self) -> None:
        """A sign of life, no message: the other end's time limit begins anew."""
        self._end.sendall(bytes(_LENGTH_BYTES))

    def receive(self, *, timeout_seconds: float | None) -> Any:
        """The next message. Raises TimeoutError where nothing comes, not even a sign, for `timeout_seconds`; None waits for ever."""
        self._end.settimeout(timeout_seconds)
        while not (length := int.from_bytes(self._take(_LENGTH_BYTES), "little")):
            pass  # a sign of life
        return pickle.loads(self._take(length))

    def close(self) -> None:
        self._end.close()

    def _take(self, length: int) -> bytes:
        while len(self._received) < length:
            content = self._end.recv(_CHUNK_BYTES)
            if not content:
                raise ConnectionResetError("the other end is closed")
            self._received += content
        taken, self._received = self._received[:length], self._received[length:]
        return taken
