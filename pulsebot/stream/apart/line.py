"""The line between the two processes: whole messages over a socket that blocks.

Not by a loop, which would be woken for every few kilobytes, copy what the socket does not take
at once, and wait for the interpreter's lock each time. Both ends always have a thread that
receives, so that sending takes no longer than copying. This module must not know what the
messages mean.
"""

import socket
from threading import Lock

LENGTH_BYTES = 4

FIRST_BUFFER = 65_536
"""Bytes; it grows to the longest message that was received."""


class Line:
    """One end of the line. Any thread may send; at any time one may receive."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._sending = Lock()
        self._buffer = bytearray(FIRST_BUFFER)

    def send(self, message: bytes) -> None:
        """Send all of a message; raises OSError when nobody is at the other end."""
        head = len(message).to_bytes(LENGTH_BYTES, "big")
        with self._sending:
            sent = self._socket.sendmsg([head, message])
            if left := len(head) + len(message) - sent:
                self._socket.sendall(memoryview(head + message)[-left:])

    def receive(self) -> memoryview | None:
        """Return the next message, good until the next call; None when no more come."""
        if (head := self._bytes(LENGTH_BYTES)) is None:
            return None
        return self._bytes(int.from_bytes(head, "big"))

    def hang_up(self) -> None:
        """Tell the other end that no more messages come; it may still send."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Give the socket back; nobody may be receiving."""
        self._socket.close()

    def _bytes(self, size: int) -> memoryview | None:
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        received = memoryview(self._buffer)[:size]
        left = received
        while left:
            try:
                came = self._socket.recv_into(left, len(left), socket.MSG_WAITALL)
            except OSError:
                return None
            if not came:
                return None
            left = left[came:]
        return received
