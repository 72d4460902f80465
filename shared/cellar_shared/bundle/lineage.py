"""Where a bundle comes from, as its manifest's `facts` say it; training calls it."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def lineage_of(source: str, data_digest: str, rows: npt.NDArray[np.uint64], *, code: Path, libraries: Iterable[str]) -> dict[str, Any]:
    """What every bundle says of itself: the data, the rows (hashes) it was fitted on, the commit of the file `code`, the libraries."""
    return {
        "data_source": source,
        "data_digest": data_digest,
        "rows": len(rows),
        "rows_digest": hashlib.sha256(np.sort(rows).tobytes()).hexdigest(),
        "commit": commit_of(code),
        "libraries": {name: version(name) for name in ("cellar-shared", *libraries)},
    }


def commit_of(code: Path) -> str | None:
    """The commit of the checkout that the file `code` lies in, with + when files differ from it; None outside a checkout."""
    here = code.parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+" if changed.stdout.strip() else "")
