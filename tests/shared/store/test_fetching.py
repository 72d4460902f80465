"""Copies of published generations: whole and verified or not there at all, whoever asks at once, and no secret in a message."""

from __future__ import annotations

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from cellar_shared.errors import CellarError
from cellar_shared.store import fetching
from cellar_shared.store.fetching import KEPT, PublishedFolder, PublishedUrl, fetched, scratch_folder
from cellar_shared.store.generation import read_manifest, verify_files
from cellar_shared.store.generation_folders import CURRENT
from cellar_shared.store.lmdb_store import LmdbStore
from cellar_shared.store.manifests import MANIFEST
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store

SIGNATURE = "sig=very-secret"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files to who brings the signature; `spoil` may answer first."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if not self.path.endswith(f"?{SIGNATURE}"):
            self.send_error(403, "no signature")
        elif not self.server.spoil(self):  # type: ignore[attr-defined]
            super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def manifest(data, store):
    return materialize(data, store, say=lambda _: None)


@pytest.fixture
def server(manifest, store) -> Iterator[Any]:
    """The store's folder, published over HTTP on loopback."""
    handler = functools.partial(Handler, directory=str(store.generations.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as opened:
        opened.asked = []  # type: ignore[attr-defined]
        opened.spoil = lambda request: False  # type: ignore[attr-defined]
        opened.url = f"http://127.0.0.1:{opened.server_port}?{SIGNATURE}"  # type: ignore[attr-defined]
        serving = threading.Thread(target=opened.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield opened
        opened.shutdown()
        serving.join()


@pytest.fixture(params=["folder", "url"])
def published(request: pytest.FixtureRequest, server: Any, store: LmdbStore) -> Any:
    return PublishedFolder(store.generations.parent) if request.param == "folder" else PublishedUrl(server.url)


def test_a_generation_is_copied_once_and_verified(published, manifest, server, tmp_path):
    place = fetched(published, manifest.id, tmp_path / "scratch")
    assert read_manifest(place) == manifest
    verify_files(place, manifest)
    asked = len(server.asked)
    assert fetched(published, manifest.id, tmp_path / "scratch") == place
    assert len(server.asked) == asked


def test_a_copy_that_was_damaged_later_is_fetched_again(published, manifest, tmp_path):
    place = fetched(published, manifest.id, tmp_path / "scratch")
    for name in (MANIFEST, *manifest.files):
        content = (place / name).read_bytes()
        for spoilt in (content[:-1], content[:-1] + bytes([content[-1] ^ 1]), None):
            (place / name).unlink()
            if spoilt is not None:
                (place / name).write_bytes(spoilt)
            fetched(published, manifest.id, tmp_path / "scratch")
            assert (place / name).read_bytes() == content


def test_what_is_published_damaged_is_refused_and_leaves_nothing(published, manifest, store, tmp_path):
    for name in manifest.files:
        file = store.generations / manifest.id / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(CellarError, match="is damaged"):
            fetched(published, manifest.id, tmp_path / "scratch")
        assert not (tmp_path / "scratch" / manifest.id).exists()
        assert not list((tmp_path / "scratch").glob(".*new-*"))
        file.write_bytes(content)
    fetched(published, manifest.id, tmp_path / "scratch")


def test_a_manifest_that_points_outside_its_generation_is_refused(published, manifest, store, tmp_path):
    for name in ("../../outside", "/elsewhere/outside", "a/../../../outside"):
        wrong = msgspec.structs.replace(manifest, files=manifest.files | {name: "0"})
        (store.generations / manifest.id / MANIFEST).write_bytes(msgspec.json.encode(wrong))
        with pytest.raises(CellarError, match="no file of it"):
            fetched(published, manifest.id, tmp_path / "scratch")
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}'])
def test_a_manifest_that_is_none_is_refused(published, manifest, store, tmp_path, content):
    (store.generations / manifest.id / MANIFEST).write_bytes(content)
    with pytest.raises(CellarError):
        fetched(published, manifest.id, tmp_path / "scratch")
    assert not (tmp_path / "scratch" / manifest.id).exists()


def cut_off(request: Any) -> bool:
    """Half of a large file, then the end of the connection."""
    if not request.path.startswith("/generations") or "manifest" in request.path:
        return False
    request.send_response(200)
    request.send_header("content-length", "1000000")
    request.end_headers()
    request.wfile.write(b"x" * 1000)
    request.close_connection = True
    return True


def refused(request: Any) -> bool:
    request.send_error(503, "later")
    return True


def gibberish(request: Any) -> bool:
    request.wfile.write(b"\x00\x01 what\r\n\r\n")
    request.close_connection = True
    return True


@pytest.mark.parametrize("spoil", [cut_off, refused, gibberish])
def test_a_server_that_fails_is_named_without_the_signature_and_leaves_nothing(server, manifest, tmp_path, spoil):
    server.spoil = spoil
    published = PublishedUrl(server.url)
    with pytest.raises(CellarError) as refusal:
        fetched(published, manifest.id, tmp_path / "scratch")
    assert "secret" not in "".join(str(each) for each in _chain(refusal.value))
    assert not list((tmp_path / "scratch").glob("*/*"))
    server.spoil = lambda request: False
    fetched(published, manifest.id, tmp_path / "scratch")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_a_wrong_signature_and_a_server_that_is_not_there_show_no_secret(server, manifest, tmp_path):
    for url in (server.url.replace("very", "another"), "http://127.0.0.1:1/x?sig=secret", "http://user:secret@127.0.0.1:1/x"):
        with pytest.raises(CellarError) as refusal:
            fetched(PublishedUrl(url), manifest.id, tmp_path / "scratch")
        assert "secret" not in "".join(str(each) for each in _chain(refusal.value))


def test_every_request_carries_the_signature(server, manifest, tmp_path):
    fetched(PublishedUrl(server.url), manifest.id, tmp_path / "scratch")
    assert len(server.asked) == 1 + len(manifest.files)
    assert all(path.endswith(f"?{SIGNATURE}") for path in server.asked)


def test_a_redis_store_of_a_url_reads_current_and_folder_from_it_and_writes_nothing_there(server, manifest):
    store = open_store(f"redis://127.0.0.1:1/0?generations={server.url.replace('?', '%3F')}")
    assert store.current_id() == manifest.id
    assert read_manifest(store.folder(manifest.id)) == manifest
    assert "secret" not in store.name
    with pytest.raises(CellarError, match="read only here"):
        _ = store.generations


def test_only_the_copies_used_last_are_kept_and_those_of_other_places_are_none_of_ours(data, store, tmp_path):
    ids = [materialize(data, store, horizon_days=days, say=lambda _: None).id for days in (10, 20)]
    published = PublishedFolder(store.generations.parent)
    other = fetched(published, ids[0], tmp_path / "other")
    for days in (30, 40, 50):
        ids.append(materialize(data, store, horizon_days=days, say=lambda _: None).id)
        fetched(published, ids[-1], tmp_path / "scratch")
    copies = {folder.name for folder in (tmp_path / "scratch").iterdir() if folder.is_dir()}
    assert copies == set(ids[-KEPT:])
    assert read_manifest(other).id == ids[0]
    places = [scratch_folder(text) for text in ("/a", "/b", "https://h/a?sig=1", "https://h/a?sig=2")]
    assert places[2] == places[3]
    assert len(set(places)) == 3


PROGRAM = """
import sys
from pathlib import Path
from cellar_shared.store.fetching import PublishedUrl, fetched
from cellar_shared.store.generation import read_manifest, verify_files
sys.stdin.readline()
for _ in range(20):
    place = fetched(PublishedUrl(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    verify_files(place, read_manifest(place))
"""


def test_processes_that_ask_at_once_fetch_once_and_each_finds_a_whole_folder(server, manifest, tmp_path):
    words = [sys.executable, "-c", PROGRAM, server.url, manifest.id, str(tmp_path / "scratch")]
    processes = [subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], said
    assert len(server.asked) == 1 + len(manifest.files)


def test_a_copy_that_is_killed_half_way_leaves_nothing_in_the_way(server, manifest, tmp_path):
    reached, may_go_on = threading.Event(), threading.Event()

    def hold(request: Any) -> bool:
        if "counts" in request.path:
            reached.set()
            may_go_on.wait(120)
        return False

    server.spoil = hold
    words = [sys.executable, "-c", PROGRAM, server.url, manifest.id, str(tmp_path / "scratch")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        assert reached.wait(120)
        process.kill()
    may_go_on.set()
    server.spoil = lambda request: False
    assert not (tmp_path / "scratch" / manifest.id).exists()
    place = fetched(PublishedUrl(server.url), manifest.id, tmp_path / "scratch")
    verify_files(place, manifest)
    assert not list((tmp_path / "scratch").glob(".*new-*"))


def test_the_scratch_folder_is_this_users_own_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv(fetching.SCRATCH_VARIABLE, str(tmp_path))
    assert scratch_folder("/a").parent == tmp_path
    monkeypatch.delenv(fetching.SCRATCH_VARIABLE)
    assert str(os.getuid()) in scratch_folder("/a").parent.name


def test_an_address_of_another_scheme_is_refused():
    for url in ("ftp://h/x", "file:///etc", "s3://bucket"):
        with pytest.raises(CellarError, match="cannot be fetched"):
            PublishedUrl(url)


def test_current_is_read_whole_or_refused(published: Any, store, manifest):
    assert published.read(CURRENT) == f"{manifest.id}\n".encode()
    with pytest.raises(CellarError):
        published.read("nothing")
