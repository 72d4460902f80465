"""Opens each LMDB environment once in a process, however many use it at once; the LMDB store and its readers call it.

LMDB must not be opened twice in one process: its locks are the process's, not the handle's. So those who open one share it, and it
closes with the last of them. They are counted under a lock. A weak reference to what is shared would not do: while one thread closes it,
another still gets it by that reference, and has an environment that is closed.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb

Key = tuple[int, int, int]  # process, device, inode


@dataclass(slots=True)
class _Shared:
    lmdb: lmdb.Environment
    key: Key
    users: int = 0


_opened: dict[Key, _Shared] = {}
# Reentrant: whoever holds it may be the one who collects somebody's environment as garbage.
_counting = threading.RLock()


class Environment:
    """Somebody's share in an opened environment, until nobody refers to it any more. `file` is which file it is: device and inode."""

    def __init__(self, shared: _Shared) -> None:
        shared.users += 1
        self._shared = shared
        self.lmdb = shared.lmdb
        self.file = shared.key[1:]

    # Bound here: at the interpreter's end the module's names may be gone before its last objects are.
    def __del__(self, counting: threading.RLock = _counting, opened: dict[Key, _Shared] = _opened, process: Any = os.getpid) -> None:
        shared = self._shared
        if shared.key[0] != process():  # a forked one's copy: what it copied is its parent's
            return
        with counting:
            shared.users -= 1
            if shared.users == 0:
                opened.pop(shared.key, None)
                shared.lmdb.close()


def open_environment(folder: Path, **options: Any) -> Environment:
    """A share in the process's one environment at `folder`; lmdb.Error when it cannot be opened."""
    with _counting:
        try:
            if (standing := _opened.get(_key(folder))) is not None:
                return Environment(standing)
        except FileNotFoundError:
            pass
        opened = lmdb.open(str(folder), max_dbs=0, readahead=False, **options)
        shared = _Shared(opened, _key(folder))
        _opened[shared.key] = shared
        return Environment(shared)


def _key(folder: Path) -> Key:
    status = (folder / "data.mdb").stat()
    return os.getpid(), status.st_dev, status.st_ino
