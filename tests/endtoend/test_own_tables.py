"""The page docs/your-own-tables.md keeps its word: its commands run as they stand there and print what it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "your-own-tables.md").read_text("utf-8")
EXAMPLE = DOCS / "examples" / "own-tables"
PATIENCE_S = 1200


def blocks(language: str) -> list[str]:
    """The page's fenced blocks in `language`, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the page's commands print, run one after the other in one shell."""
    if shutil.which("curl") is None:
        pytest.skip("the page asks by curl, which is not installed")
    place = tmp_path_factory.mktemp("own") / "shop"
    shutil.copytree(EXAMPLE, place, ignore=shutil.ignore_patterns("__pycache__"))
    script = "set -euo pipefail\n" + "".join(blocks("sh")).replace("8081", str(free_port())) + "wait\n"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["bash", "-c", script], cwd=place, env=os.environ | {"PATH": path, "COLUMNS": "200"}, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as shell:  # fmt: skip
        try:
            out, errors = shell.communicate(timeout=PATIENCE_S)
        finally:
            if shell.poll() is None or shell.returncode:
                os.killpg(shell.pid, signal.SIGKILL)
    assert shell.returncode == 0, out + errors
    return out


@pytest.mark.parametrize(("language", "file"), [("sql", "views.sql"), ("yaml", "map.yml")])
def test_the_page_shows_the_files_that_it_uses(language: str, file: str) -> None:
    assert blocks(language) == [(EXAMPLE / file).read_text("utf-8")]


def test_the_commands_print_what_the_page_says(output: str) -> None:
    said = [line for block in blocks("text") for line in block.splitlines()]
    assert len(said) >= 9
    assert [line for line in said if line not in output.splitlines()] == []


def test_the_answer_stands_on_what_the_increment_brought_once_it_is_materialized(output: str) -> None:
    before, after = (int(line.partition(":")[2]) for line in output.splitlines() if line.startswith('"own_tastings"'))
    assert after == before + 1


def test_the_answer_follows_the_customers_taste_as_the_page_claims(output: str) -> None:
    (line,) = (line for line in output.splitlines() if '"request_id"' in line)
    (shown,) = blocks("json")
    for answer in (json.loads(line), json.loads(shown)):
        assert answer["degraded"] == []
        sangiovese, silvaner = answer["results"]
        assert (sangiovese["basis"], sangiovese["evidence"]["own_tastings"]) == ("catalogue", 18)
        assert sangiovese["probability"] > 0.7
        assert silvaner["probability"] < 0.3
