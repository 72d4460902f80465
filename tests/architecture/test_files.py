"""What every file of the project keeps to: no machine's paths, no package index, no pickle, modules of one idea with a docstring."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

LONGEST_MODULE = 300

# Each word is broken in two, so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.}~-])/(?:w" + r"ork|h" + r"ome|r" + r"oot|U" + r"sers|o" + r"pt|m" + r"nt|t" + r"mp|s" + r"rv)/\w")
INDEXES = re.compile("pypi" + r"\.org|python" + r"hosted\.org|download" + r"\.pytorch\.org|arti" + "factory|index-" + "url")
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def texts(files: list[Path]) -> list[tuple[Path, str]]:
    found = []
    for file in files:
        try:
            found.append((file, file.read_text("utf-8")))
        except UnicodeDecodeError:
            continue
    assert len(found) > 100
    return found


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, INDEXES], ids=["machine paths", "package indexes"])
def test_no_file_names_a_machines_path_or_a_package_index(project_files, root, pattern):
    named = [f"{file.relative_to(root)}: {found[0]}" for file, text in texts(project_files) for found in [pattern.search(text)] if found]
    assert named == []


@pytest.mark.parametrize("word", ["work", "home", "root", "Users", "opt", "mnt", "tmp", "srv"])
def test_a_machines_path_is_found(word):
    assert MACHINE_PATHS.search(f"see /{word}/x")
    assert MACHINE_PATHS.search(f'"/{word}/x"')
    assert not MACHINE_PATHS.search(f"src/{word}/x")


def imported(tree: ast.Module) -> set[str]:
    """The top-level packages that a module imports anywhere in it."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


def test_no_module_reads_or_writes_pickles(modules, root):
    for module in modules:
        tree = ast.parse(module.read_text("utf-8"))
        assert not imported(tree) & PICKLES, module.relative_to(root)
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant), module.relative_to(root)
                assert node.value.value is False, module.relative_to(root)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "numpy.load", "np.save", "numpy.save"):
                # The default of saving is to allow it.
                assert any(keyword.arg == "allow_pickle" for keyword in node.keywords), f"{module.relative_to(root)}:{node.lineno}"


def test_arrays_and_literals_are_parsed_by_one_thread_at_a_time(modules, root):
    readers = {"np.load", "numpy.load", "np.memmap", "np.lib.format.read_array", "np.lib.npyio.NpzFile", "ast.literal_eval", "ast.parse"}
    calls = {
        str(module.relative_to(root))
        for module in modules
        for node in ast.walk(ast.parse(module.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in readers
    }
    written_by_hand = {"shared/cellar_shared/api/client_types.py"}  # `cellar api write`, which has one thread
    assert calls - written_by_hand == {"shared/cellar_shared/npy.py", "shared/cellar_shared/literals.py"}  # which says why


def test_every_module_with_code_says_what_it_is_for(modules, root):
    for module in modules:
        tree = ast.parse(module.read_text("utf-8"))
        if tree.body:
            assert ast.get_docstring(tree), module.relative_to(root)


def test_no_module_is_longer_than_one_idea(modules, root):
    lengths = {str(module.relative_to(root)): len(module.read_text("utf-8").splitlines()) for module in modules}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_no_module_is_a_drawer(modules, root):
    drawers = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"}
    assert [str(module.relative_to(root)) for module in modules if module.stem in drawers] == []
