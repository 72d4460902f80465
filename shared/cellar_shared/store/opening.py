"""Opens the store that a URL names; every command that takes `--store` calls it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cellar_shared.errors import BadInput
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.port import Store

FORMS: Final = "lmdb://DIR or redis://HOST:PORT/DB?generations=DIR"
STORE_WITHIN_S: Final = 10.0  # how long a starting service tries its store
TRY_EVERY_S: Final = 0.1


def open_store(url: str) -> Store:
    """The store at `url`; BadInput when the URL is of no known form. Nothing is connected or read yet."""
    scheme, separator, rest = url.partition("://")
    if scheme == "lmdb" and separator and rest:
        return LmdbStore(Path(rest))
    if scheme in ("redis", "rediss", "unix") and separator:
        try:
            from cellar_shared.store.redis_store import RedisStore  # noqa: PLC0415  redis is an extra
        except ModuleNotFoundError as missing:
            raise BadInput(
                f"a store at {scheme}:// needs the module {missing.name}; install cellar-shared with its extra 'redis'"
            ) from None
        return RedisStore.of_url(url)
    raise BadInput(f"store {_without_secrets(url)!r} is not understood; write {FORMS}")


def answers_within(store: Store, within_s: float) -> bool:
    """Can the store be read, tried for at most about `within_s` seconds?"""
    end = time.monotonic() + within_s
    while not store.answers():
        if time.monotonic() > end:
            return False
        time.sleep(TRY_EVERY_S)
    return True


def _without_secrets(url: str) -> str:
    """The URL with the part that may hold a password left out."""
    return urlsplit(url)._replace(netloc="...").geturl() if "@" in url else url
