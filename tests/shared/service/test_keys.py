"""Who is let in, what the keys file may hold, and how keys are changed without a restart."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellar_shared.errors import BadInput
from cellar_shared.service import keys as module
from cellar_shared.service.keys import Keys, append_line, new_key, read_keys
from cellar_shared.service.problems import Problem


def bearer(key: str, scheme: str = "Bearer") -> dict[bytes, bytes]:
    return {b"authorization": f"{scheme} {key}".encode()}


def is_let_in(keys: Keys, key: str) -> bool:
    try:
        keys.require(bearer(key))
    except Problem as problem:
        assert problem.code == "bad-key"
        return False
    return True


@pytest.fixture
def file(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def at_once(monkeypatch):
    """Look at the file at every request rather than once a second."""
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.0)


def test_several_keys_are_valid_at_once_and_nothing_else_is(file):
    (old, first), (new, second), (other, _) = (new_key(name) for name in ("app-2025", "app-2026", "stranger"))
    file.write_text(f"# the app\n{first}\n\n{second}  # since May\n")
    keys = Keys(file)
    assert [is_let_in(keys, key) for key in (old, new, other, "", old[:-1], old + "x", first.split()[0])] == [True, True] + 5 * [False]


@pytest.mark.parametrize(("scheme", "is_good"), [("Bearer", True), ("bearer", True), ("BEARER", True), ("Basic", False), ("", False)])
def test_the_scheme_is_bearer_in_any_case(file, scheme, is_good):
    key, line = new_key("app")
    file.write_text(line)
    keys = Keys(file)
    if is_good:
        keys.require(bearer(key, scheme))
    else:
        with pytest.raises(Problem):
            keys.require(bearer(key, scheme))


def test_a_key_ends_at_its_moment(file):
    now = time.time()
    lines = [new_key("app", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + ahead))) for ahead in (-60, 3600)]
    file.write_text("\n".join(line for _, line in lines))
    keys = Keys(file)
    assert [is_let_in(keys, key) for key, _ in lines] == [False, True]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True), st.integers(0, 9))
def test_a_key_is_let_in_exactly_when_its_line_stands_in_the_file(tmp_path_factory, held, asked):
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text("".join(f"{hashlib.sha256(b'key %d' % number).hexdigest()} app-{number}\n" for number in held))
    assert is_let_in(Keys(file), f"key {asked}") == (asked in held)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "there is no key in it"),
        ("# only this\n", "there is no key in it"),
        ("\n\nmy-secret app\n", "line 3: the first word is not a SHA-256"),
        (f"{'a' * 64}\n", "line 1: there is no fit name"),
        (f"{'a' * 64} the/app\n", "line 1: there is no fit name"),
        (f"{'A' * 64} app\n", "line 1: the first word is not a SHA-256"),
        (f"{'a' * 64} app until=2030-01-01T00:00:00Z\n", "line 1: 1 words after the name app"),
        (f"{'a' * 64} app expires=2030-01-01\n", "line 1: '2030-01-01' is not a moment"),
        (f"{'a' * 64} app expires=2030-01-01T00:00:00\n", "is not a moment"),
        (f"{'a' * 64} app\n{'b' * 64} app\n{'a' * 64} again\n", "line 3: the key of line 1 again"),
        (b"\xff\xfe", "it is not UTF-8"),
        (None, "cannot be read"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_the_line_and_without_what_stands_there(file, content, said):
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BadInput) as refusal:
        Keys(file)
    assert str(refusal.value).startswith(str(file))
    assert said in str(refusal.value)
    assert "my-secret" not in str(refusal.value)


def test_a_changed_file_counts_soon_and_a_broken_one_leaves_the_keys_before_and_is_reported_once(file, at_once, caplog):
    (old, first), (new, second) = new_key("old"), new_key("new")
    file.write_text(first)
    keys = Keys(file)
    assert (is_let_in(keys, old), is_let_in(keys, new)) == (True, False)
    file.write_text(f"{first}\n{second}\n")
    assert (is_let_in(keys, old), is_let_in(keys, new)) == (True, True)
    for broken in ("", f"{second}\nhalf a li", None):
        with caplog.at_level(logging.ERROR):
            caplog.clear()
            file.unlink() if broken is None else file.write_text(broken)
            assert [(is_let_in(keys, old), is_let_in(keys, new)) for _ in range(3)] == [(True, True)] * 3
            assert [record.name for record in caplog.records] == ["cellar.service"]
    file.write_text(second)
    assert (is_let_in(keys, old), is_let_in(keys, new)) == (False, True)


def test_the_file_is_looked_at_once_a_second_at_most(file, monkeypatch):
    key, line = new_key("app")
    file.write_text(line)
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    keys = Keys(file)
    file.write_text(new_key("other")[1])
    assert is_let_in(keys, key)
    now[0] += 0.99
    assert is_let_in(keys, key)
    now[0] += 0.02
    assert not is_let_in(keys, key)


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_seen(file, at_once, tmp_path):
    (_, first), (key, second) = new_key("one"), new_key("two")
    file.write_text(first)
    keys = Keys(file)
    beside = tmp_path / "beside"
    beside.write_text(second)
    os.utime(beside, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    beside.replace(file)
    assert is_let_in(keys, key)


def test_a_new_key_is_256_random_bits_and_its_line_holds_only_a_digest(file):
    made = [new_key("app") for _ in range(100)]
    assert len({key for key, _ in made}) == 100
    assert all(len(key) >= 43 and key not in line for key, line in made)
    for name in ("", "the app", "a\nb", "a#b", "x" * 101):
        with pytest.raises(BadInput, match="no fit name"):
            new_key(name)
    with pytest.raises(BadInput, match="not a moment"):
        new_key("app", "tomorrow")


def test_lines_are_added_whole_to_a_file_that_only_its_owner_reads(tmp_path):
    file = tmp_path / "new" / "keys"
    (one, first), (two, second) = new_key("one"), new_key("two")
    append_line(file, first)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(file.read_text().rstrip("\n"))  # as editors leave it
    append_line(file, second)
    assert [key.name for key in read_keys(file)] == ["one", "two"]
    keys = Keys(file)
    assert is_let_in(keys, one) and is_let_in(keys, two)


def test_nothing_is_added_to_a_file_that_is_something_else(tmp_path):
    file = tmp_path / "notes"
    file.write_text("buy wine\n")
    with pytest.raises(BadInput, match="line 1"):
        append_line(file, new_key("app")[1])
    assert file.read_text() == "buy wine\n"
