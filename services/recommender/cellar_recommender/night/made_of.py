"""Of what a list was made: one digest per member of all that decides it and changes from night to night, but the catalogue.

Wines come and are liked every day; what that does to a list can wait until the list is a few days old.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
import numpy as np

from cellar_recommender.serving.bottles import Bottles
from cellar_shared.events.moments import NEVER
from cellar_shared.features.histories import EVENT, Events
from cellar_shared.features.identity import UNKNOWN
from cellar_shared.store.generation import Generation, Known
from cellar_shared.store.list_packing import DIGEST_BYTES

_DECIDING: Final = ("cellar_recommender.serving", "cellar_recommender.serving.ann", "cellar_recommender.night")


@cache
def code_fingerprint() -> str:
    """Digest of the modules that serve and of the night: a release that changes any of them computes every list once."""
    digest = hashlib.sha256()
    for package in _DECIDING:
        for file in sorted(files(package).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                digest.update(f"{package}.{file.name}\n".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def made_of(known: Known, bundle_version: str, generation: Generation, moment: int) -> bytes:
    """The digest (DIGEST_BYTES) of what the bundle makes the member's list of at `moment`: ratings until then, wines owned, wishes, code.

    Equal in another generation that knows the same of the member: wines count by identity. Which bottle of a wine it is, where it lies
    and when it is ready are not asked: what is owned is not offered.
    """
    owned = [] if known.cellar is None else np.unique(Bottles.stored(known.cellar).wines).tolist()
    ratings = b"" if known.events is None else _ratings(known.events, generation, moment)
    content = msgspec.msgpack.encode((bundle_version, code_fingerprint(), ratings, owned, known.wishes))
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES, person=b"cellar list").digest()


def _ratings(events: Events, generation: Generation, moment: int) -> bytes:
    known = events[(events["moment"] < moment) | (events["moment"] == NEVER)]
    rows = known["row"].astype(np.int64)
    wines = np.full(len(known), UNKNOWN, dtype=np.int64)
    wines[rows >= 0] = generation.wines["wine"][rows[rows >= 0]]
    columns = [known[name].tobytes() for name in EVENT.names or () if name != "row"]
    return b"".join([wines.tobytes(), *columns])
