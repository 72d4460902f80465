"""Where a bundle comes from, as its manifest's `facts` say it; training calls it."""

from __future__ import annotations

import subprocess
from pathlib import Path


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
