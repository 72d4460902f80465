"""Who may ask: the keys file and the check of `Authorization: Bearer KEY`; the admission asks it, `cellar keys new` writes it.

The file has one key a line: the SHA-256 of the key in hex, a name, and optionally `expires=` and a moment (RFC 3339). Whoever
reads it cannot call the service with it. A key has 256 random bits, so a plain digest is enough: there is no password to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec

from cellar_shared.durable import sync_folder
from cellar_shared.errors import BadInput
from cellar_shared.service.problems import Problem

logger = logging.getLogger("cellar.service")

AUTHORIZATION: Final = b"authorization"
# How often the file is looked at, at most: a stat costs about a microsecond, and rotation is no matter of milliseconds.
LOOK_EVERY_S: Final = 1.0
KEY_BYTES: Final = 32
EXPECTED: Final = "64 hex digits (SHA-256 of the key), a name of letters, digits, '.', '_' and '-', and optionally expires=RFC3339"
# One sentence whatever is wrong: it must not say whether a key was known once.
REFUSAL: Final = "Send the header Authorization: Bearer KEY with a key that is valid now; the operator of this service hands them out."

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Key(NamedTuple):
    """One line of the file; `expires` in seconds since 1970, infinity for never."""

    digest: bytes
    name: str
    expires: float


class Keys:
    """The keys of one file, read again soon after it has changed; safe for one thread, the event loop's."""

    def __init__(self, file: Path) -> None:
        """Raises BadInput, naming file and line, where the file cannot be used."""
        self._file = file
        self._seen = self._looks()
        self._keys = read_keys(file)
        self._look_at = time.monotonic() + LOOK_EVERY_S

    def require(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises Problem bad-key unless the headers carry a key that is valid now."""
        if time.monotonic() >= self._look_at:
            self._look()
        scheme, _, given = headers.get(AUTHORIZATION, b"").partition(b" ")
        digest = hashlib.sha256(given.strip()).digest()
        now = time.time()
        is_known = False
        # All of them, found or not: how long it takes says nothing about which key comes near.
        for key in self._keys:
            is_known |= hmac.compare_digest(digest, key.digest) and now < key.expires
        if not is_known or scheme.lower() != b"bearer":
            raise Problem("bad-key", REFUSAL, before_body=True)

    def _look(self) -> None:
        self._look_at = time.monotonic() + LOOK_EVERY_S
        seen = self._looks()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._keys = read_keys(self._file)
        except BadInput as refusal:
            logger.error("the keys read before stay valid, the changed file is refused: %s", refusal)
        else:
            logger.info("read %d keys from %s", len(self._keys), self._file)

    def _looks(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def read_keys(file: Path) -> tuple[Key, ...]:
    """The keys in `file`, at least one; BadInput naming the line otherwise. `#` starts a comment."""
    keys = tuple(_keys_in(file))
    if not keys:
        raise BadInput(f"{file}: there is no key in it. Make one with `cellar keys new NAME --file {file}`.")
    return keys


def new_key(name: str, expires: str | None = None) -> tuple[str, str]:
    """A fresh key, and the line of a keys file that lets its holder in. Raises BadInput for a name or moment that is none."""
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no fit name for a key: use up to 100 letters, digits, '.', '_' and '-'.")
    key = secrets.token_urlsafe(KEY_BYTES)
    line = f"{hashlib.sha256(key.encode()).hexdigest()} {name}" + (f" expires={expires}" if expires else "")
    _key_of(line, "the new key")
    return key, line


def append_line(file: Path, line: str) -> None:
    """Add `line` to the keys file durably; a new file is its owner's alone (0600). Raises BadInput where it is no keys file."""
    try:
        is_new = not file.exists()
        if not is_new:
            tuple(_keys_in(file))  # never add to something else
        file.parent.mkdir(parents=True, exist_ok=True)
        # Appended by one write rather than replaced: two of these at the same moment both stay.
        handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            ends_open = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            os.write(handle, (b"\n" if ends_open else b"") + line.encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        if is_new:
            sync_folder(file.parent)
    except OSError as error:
        raise BadInput(f"{file}: cannot be written ({error.strerror}). Choose a file that can.") from error


def _keys_in(file: Path) -> Iterator[Key]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadInput(f"{file}: cannot be read ({reason}). Make a keys file with `cellar keys new NAME --file {file}`.") from error
    met: dict[bytes, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        kept = line.partition("#")[0].strip()
        if not kept:
            continue
        key = _key_of(kept, f"{file}, line {number}")
        if key.digest in met:
            raise BadInput(f"{file}, line {number}: the key of line {met[key.digest]} again. Keep one of the two.")
        met[key.digest] = number
        yield key


def _key_of(line: str, place: str) -> Key:
    digest, *words = line.split()
    if not _DIGEST.fullmatch(digest):
        # What stands there may be a key itself, put in by mistake: it is not repeated.
        raise BadInput(f"{place}: the first word is not a SHA-256 in lower-case hex. Expected {EXPECTED}.")
    if not words or not _NAME.fullmatch(words[0]):
        raise BadInput(f"{place}: there is no fit name after the digest. Expected {EXPECTED}.")
    name, *rest = words
    expires = float("inf")
    for word in rest:
        label, _, moment = word.partition("=")
        if label != "expires" or len(rest) > 1:
            raise BadInput(f"{place}: {len(rest)} words after the name {name}. Expected {EXPECTED}.")
        try:
            expires = msgspec.convert(moment, _Moment).timestamp()
        except msgspec.ValidationError:
            raise BadInput(f"{place}: {moment!r} is not a moment like 2030-01-31T00:00:00Z. Expected {EXPECTED}.") from None
    return Key(bytes.fromhex(digest), name, expires)
