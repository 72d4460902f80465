"""An app that copies the client's folder needs Python and msgspec, nothing else of cellar."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

import cellar_shared.client

FOLDER = Path(cellar_shared.client.__file__).parent


def test_the_copied_folder_works_under_any_name_with_msgspec_alone(tmp_path, run_echo):
    shutil.copytree(FOLDER, tmp_path / "shop" / "wines", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "msgspec").symlink_to(Path(msgspec.__file__).parent)
    program = """
import sys
sys.path = [sys.argv[1], *(path for path in sys.path if "site-packages" not in path)]
from shop.wines.preference import PreferenceClient
with PreferenceClient(f"http://127.0.0.1:{sys.argv[2]}") as client:
    print(client.live().live)
print(sorted({name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names - {"__main__", "sitecustomize"}))
"""
    with run_echo() as (_, port):
        words = [sys.executable, "-I", "-S", "-c", program, str(tmp_path), str(port)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True", "['msgspec', 'shop']"]
