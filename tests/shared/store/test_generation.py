"""Opening a generation: what is missing, damaged or does not fit is refused with a sentence that names it."""

from __future__ import annotations

import json
import socket
import threading

import msgspec
import numpy as np
import pytest

from cellar_shared.errors import BadInput, CellarError, Incompatible
from cellar_shared.features.fingerprint import feature_fingerprint
from cellar_shared.features.identity import identity
from cellar_shared.store.generation import FORMAT, Generation, read_manifest, verify_files
from cellar_shared.store.generation_folders import CURRENT
from cellar_shared.store.manifests import MANIFEST
from cellar_shared.store.materialize import materialize
from cellar_shared.store.opening import open_store
from cellar_shared.store.wine_index import WineIndex


def silent(_: str) -> None:
    pass


def test_a_store_without_a_generation_says_how_to_write_one(store):
    with pytest.raises(BadInput, match="holds no generation; write one with `cellar materialize"):
        Generation.open(store, feature_fingerprint())


def test_a_generation_with_another_fingerprint_is_refused(data, store):
    materialize(data, store, say=silent)
    with pytest.raises(Incompatible, match=r"feature fingerprint .* run `cellar materialize` again"):
        Generation.open(store, "0" * 64)


def test_a_generation_of_another_format_is_refused(data, store):
    manifest = materialize(data, store, say=silent)
    file = store.generations / manifest.id / MANIFEST
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, format=FORMAT + 1)))
    with pytest.raises(Incompatible, match=f"has format {FORMAT + 1}"):
        Generation.open(store, feature_fingerprint())


def test_every_missing_file_is_named(data, store):
    manifest = materialize(data, store, say=silent)
    folder = store.generations / manifest.id
    assert set(manifest.files) == {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} - {MANIFEST}
    for name in manifest.files:
        (folder / name).rename(store.generations.parent / "away")
        with pytest.raises(BadInput, match=f"{name} is missing"):
            Generation.open(store, feature_fingerprint())
        (store.generations.parent / "away").rename(folder / name)


def test_every_damaged_file_is_named(data, store):
    manifest = materialize(data, store, say=silent)
    folder = store.generations / manifest.id
    for name in manifest.files:
        good = (folder / name).read_bytes()
        (folder / name).write_bytes(bytes([good[0] ^ 1]) + good[1:])
        with pytest.raises(BadInput, match=f"{name} is damaged"):
            verify_files(folder, manifest)
        (folder / name).write_bytes(good)
    verify_files(folder, manifest)


def test_a_current_that_names_nothing_is_refused(data, store):
    materialize(data, store, say=silent)
    (store.generations.parent / CURRENT).write_text("ffff\n")
    with pytest.raises(BadInput, match="ffff"):
        Generation.open(store, feature_fingerprint())
    with pytest.raises(BadInput, match="cannot be read"):
        read_manifest(store.generations / "ffff")


def test_an_index_finds_each_wine_and_refuses_two_of_one_identity(world):
    index = WineIndex.of(world.wines[::-1])
    asked = np.array([identity("wine", name) for name in ("w0", "w1", "w2")])
    assert index.rows_of(asked).tolist() == [1, 0, -1]
    assert WineIndex.of(world.wines[:0]).rows_of(asked).tolist() == [-1, -1, -1]
    with pytest.raises(BadInput, match="share an identity"):
        WineIndex.of(world.wines[[0, 1, 0]])


def test_a_generation_of_an_older_format_with_other_fields_is_refused_by_its_format(data, store):
    manifest = materialize(data, store, say=lambda _: None)
    file = store.generations / manifest.id / "manifest.json"
    fields = json.loads(file.read_bytes()) | {"format": FORMAT - 1}
    del fields["overlay_through"]
    file.write_text(json.dumps(fields))
    with pytest.raises(Incompatible, match=f"has format {FORMAT - 1}, this code reads {FORMAT}; run `cellar materialize` again"):
        Generation.open(store, feature_fingerprint())
    published = open_store(f"redis://127.0.0.1:1/0?generations={store.generations.parent}")  # nothing listens: its folder comes first
    with pytest.raises(Incompatible, match=f"has format {FORMAT - 1}"):
        Generation.open(published, feature_fingerprint(), manifest.id)


def test_a_current_that_is_no_text_is_refused(data, store):
    materialize(data, store, say=lambda _: None)
    (store.generations.parent / "CURRENT").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match="names no generation"):
        store.current_id()


def test_a_current_that_is_served_by_what_is_no_web_server_is_refused_and_leaves_nothing(scratch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"no status line\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(CellarError, match="cannot be fetched"):
            open_store(f"redis://127.0.0.1:1/0?generations=http://127.0.0.1:{server.getsockname()[1]}/s").current_id()
        thread.join()
