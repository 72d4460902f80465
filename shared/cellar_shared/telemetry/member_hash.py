"""The keyed hash under which a member stands in the prediction log: the same for one key, and no way back without it."""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from cellar_shared.errors import BadInput

KEY_VARIABLE: Final = "CELLAR_MEMBER_HASH_KEY"
KEY_CHARS_LEAST: Final = 16
HASH_HEX_CHARS: Final = 32  # 128 bits


class MemberHash:
    """Hashes member ids with one key; it shows the key to nobody."""

    __slots__ = ("_keyed",)

    def __init__(self, key: str) -> None:
        # The key is worked in once; each id starts from a copy.
        self._keyed = hmac.new(key.encode(), digestmod=sha256)

    def __repr__(self) -> str:
        return "MemberHash()"

    def of(self, member_id: str) -> str:
        """128 bits in hexadecimal. An id that is no text for UTF-8, half of a surrogate pair, is hashed all the same."""
        keyed = self._keyed.copy()
        keyed.update(member_id.encode("utf-8", "surrogatepass"))
        return keyed.hexdigest()[:HASH_HEX_CHARS]

    @classmethod
    def beside(cls, folder: Path, key: str | None) -> MemberHash:
        """With the `key` given, else with the one in the file FOLDER.key, made now if there is none.

        The file lies beside the folder, so that who gets the log does not get the key with it. BadInput when a key is
        too short to keep anything secret or the file cannot be used.
        """
        file = folder.absolute().with_name(f"{folder.absolute().name}.key")
        place = KEY_VARIABLE if key is not None else str(file)
        try:
            found = key if key is not None else _kept(file)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            raise BadInput(
                f"{file} cannot be used ({reason}); make it readable and writable for this user alone, or set {KEY_VARIABLE}"
            ) from None
        if len(found) < KEY_CHARS_LEAST:
            raise BadInput(f"{place} has fewer than {KEY_CHARS_LEAST} characters; give at least as many random ones")
        return cls(found)


def _kept(file: Path) -> str:
    """The key in the file. Several processes may start at once: the first to link a whole file wins, and all read that one."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        own = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        handle = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, secrets.token_hex(32).encode())
            os.fsync(handle)
            with suppress(FileExistsError):
                os.link(own, file)
        finally:
            os.close(handle)
            own.unlink()
    return file.read_text("utf-8").strip()
