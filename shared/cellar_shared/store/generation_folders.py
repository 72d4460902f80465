"""Where generations' mapped arrays lie and which of them is CURRENT; every store keeps them in such a folder."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cellar_shared.durable import locked, mend, write_durably
from cellar_shared.errors import BadInput

CURRENT: Final = "CURRENT"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read_current(generations: Path, store_name: str) -> str:
    """The id that CURRENT names; BadInput when the store has none yet."""
    try:
        content = (generations.parent / CURRENT).read_bytes()
    except OSError:
        raise BadInput(f"{store_name} holds no generation; write one with `cellar materialize --data DATA --store {store_name}`") from None
    return named_in(content, store_name)


def named_in(content: bytes, store_name: str) -> str:
    """The id in the `content` of a store's CURRENT; BadInput when it is none."""
    named = content.decode("utf-8", "replace").strip()
    if not _ID.fullmatch(named):
        raise BadInput(f"CURRENT of {store_name} names no generation; run `cellar materialize` again")
    return named


def point_current(generations: Path, generation_id: str) -> None:
    """Make `generation_id` the one that readers open from now on; writes nothing where it is already."""
    file = generations.parent / CURRENT
    if file.is_file() and file.read_text("utf-8").strip() == generation_id:
        return
    write_durably(file, f"{generation_id}\n".encode())


@contextmanager
def written_alone(generations: Path) -> Iterator[None]:
    """Hold the right to write and delete generations; waits for who holds it, then clears away what killed writers left."""
    with locked(generations):
        for left in generations.glob(".*"):
            name = left.name[1:].rpartition(".")[0]
            mend(generations / name)
            (generations / f".{name}.lock").unlink(missing_ok=True)
        yield


def listed(generations: Path) -> list[str]:
    """The ids of the generations that lie in the folder."""
    return sorted(folder.name for folder in generations.glob("*") if folder.is_dir() and not folder.name.startswith("."))


def remove(generations: Path, generation_id: str) -> None:
    """Delete a generation's folder. Who has it mapped keeps what is mapped."""
    shutil.rmtree(generations / generation_id, ignore_errors=True)
