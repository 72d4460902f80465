"""Keeps connections of http.client alive between calls and holds each call to its deadline; `transport` takes and returns them."""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import time
from collections import deque
from typing import Any


class Deadline:
    """A moment on this process's clock; `left_s` raises TimeoutError once it has passed."""

    def __init__(self, allowed_s: float) -> None:
        self._at_s = time.monotonic() + allowed_s

    def left_s(self) -> float:
        """Seconds that are left, more than none."""
        left_s = self._at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _Reader(io.RawIOBase):
    """What a socket receives, each piece within what is left of the deadline: a timeout of its own would begin anew with each."""

    def __init__(self, held: HeldSocket) -> None:
        self._held = held
        self._raw: Any = held.socket.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._held.socket.settimeout(self._held.deadline.left_s())
        received: int | None = self._raw.readinto(buffer)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


class HeldSocket:
    """The part of a socket that http.client uses, under a deadline that changes from call to call."""

    def __init__(self, opened: socket.socket, deadline: Deadline) -> None:
        self.socket = opened
        self.deadline = deadline

    def sendall(self, content: bytes) -> None:
        """Send all of it before the deadline."""
        self.socket.settimeout(self.deadline.left_s())
        self.socket.sendall(content)

    def makefile(self, mode: str) -> io.BufferedReader:
        """A stream of what is received."""
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Let go of the socket; it closes when streams made of it are closed too."""
        self.socket.close()

    def is_stale(self) -> bool:
        """Has the other side closed, or said something unasked? Nothing is to be read between two calls."""
        if hasattr(select, "poll"):  # select() cannot watch descriptors beyond 1,023
            poll = select.poll()
            poll.register(self.socket, select.POLLIN)
            return bool(poll.poll(0))
        return bool(select.select([self.socket], [], [], 0)[0])


class Pool:
    """Idle connections to one server; any number of threads may take and return them, a forked process begins with none."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, idle_most: int) -> None:
        self._host, self._port, self._context, self._idle_most = host, port, context, idle_most
        self._process = os.getpid()
        # A deque's ends are safe between threads without a lock, which a fork could leave locked.
        self._idle: deque[http.client.HTTPConnection] = deque()

    def take(self, deadline: Deadline) -> http.client.HTTPConnection:
        """The connection that was used last and still stands, else a new one; OSError where none can be had."""
        if self._process != os.getpid():  # the parent's connections: two processes would read each other's answers
            self.close()
            self._process = os.getpid()
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was quicker
                break
            held: Any = connection.sock
            if held.is_stale():
                connection.close()
                continue
            held.deadline = deadline
            return connection
        return self.open(deadline)

    def open(self, deadline: Deadline) -> http.client.HTTPConnection:
        """A new connection; OSError where none can be had."""
        connection: http.client.HTTPConnection
        if self._context is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=deadline.left_s())
        else:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=deadline.left_s(), context=self._context)
        connection.connect()
        connection.sock = HeldSocket(connection.sock, deadline)
        return connection

    def put_back(self, connection: http.client.HTTPConnection) -> None:
        """Keep a connection whose answer was read to its end, or close it where enough are kept."""
        if connection.sock is None or len(self._idle) >= self._idle_most:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close what is idle; the pool can be used on."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:  # another thread was quicker
                return
