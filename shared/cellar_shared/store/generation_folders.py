"""Where generations' mapped arrays lie and which of them is CURRENT; every store keeps them in such a folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from cellar_shared.durable import write_durably
from cellar_shared.errors import BadInput

CURRENT: Final = "CURRENT"


def read_current(generations: Path, store_name: str) -> str:
    """The id that CURRENT names; BadInput when the store has none yet."""
    try:
        named = (generations.parent / CURRENT).read_text("utf-8").strip()
    except OSError:
        raise BadInput(f"{store_name} holds no generation; write one with `cellar materialize --data DATA --store {store_name}`") from None
    except UnicodeDecodeError:
        named = ""
    if not named or "/" in named or named.startswith("."):
        raise BadInput(f"{generations.parent / CURRENT} names no generation; run `cellar materialize` again")
    return named


def point_current(generations: Path, generation_id: str) -> None:
    """Make `generation_id` the one that readers open from now on; writes nothing where it is already."""
    file = generations.parent / CURRENT
    if file.is_file() and file.read_text("utf-8").strip() == generation_id:
        return
    write_durably(file, f"{generation_id}\n".encode())


def listed(generations: Path) -> list[str]:
    """The ids of the generations that lie in the folder."""
    return sorted(folder.name for folder in generations.glob("*") if folder.is_dir() and not folder.name.startswith("."))


def remove(generations: Path, generation_id: str) -> None:
    """Delete a generation's folder. Who has it mapped keeps what is mapped."""
    shutil.rmtree(generations / generation_id, ignore_errors=True)
