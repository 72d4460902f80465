"""One bundle packed into another comes out as it went in, or is refused with the place that is wrong."""

from __future__ import annotations

import msgspec
import pytest

from cellar_shared.bundle.learnt import ROWS_FILE
from cellar_shared.bundle.manifest import MANIFEST, BundleManifest, find_bundle, version_of, write_bundle
from cellar_shared.bundle.opening import packed, read_bundle, unpacked
from cellar_shared.errors import BadInput, Incompatible
from cellar_shared.features.fingerprint import feature_fingerprint

FILES = {"network.onnx": b"\x00\x01weights", "empty": b"", ROWS_FILE: b"hashes"}


def draft(model: str, fingerprint: str, facts: dict[str, object]) -> BundleManifest:
    return BundleManifest.draft(
        model=model,
        trained_through="2024-04-30T00:00:00Z",
        feature_fingerprint=fingerprint,
        namespace="made",
        scale="1-5",
        settings={},
        facts=facts,
        metrics={},
    )


@pytest.fixture
def inner(tmp_path):
    """A preference bundle's manifest and files, as they are read."""
    write_bundle(tmp_path / "inner", draft("preference", feature_fingerprint(), {"rows": 3}), FILES)
    return read_bundle(tmp_path / "inner", "preference")


def test_a_bundle_is_read_without_the_rows_it_was_fitted_on(inner):
    manifest, files = inner
    assert files == {"network.onnx": b"\x00\x01weights", "empty": b""}
    assert set(manifest.files) == set(FILES)


def test_rows_that_are_damaged_are_found_though_they_are_not_read(tmp_path, inner):
    (tmp_path / "inner" / ROWS_FILE).write_bytes(b"others")
    with pytest.raises(BadInput, match=f"{ROWS_FILE} is damaged"):
        read_bundle(tmp_path / "inner", "preference")


def test_a_bundle_of_other_features_is_refused_by_both_fingerprints(tmp_path):
    write_bundle(tmp_path / "other", draft("preference", "f" * 64, {}), FILES)
    with pytest.raises(Incompatible, match=f"fingerprint ffffffffffff, this code has {feature_fingerprint()[:12]}"):
        read_bundle(tmp_path / "other", "preference")


def test_what_is_packed_comes_out_of_the_other_bundle_as_it_went_in(tmp_path, inner):
    own = {"towers.onnx": b"vectors", ROWS_FILE: b"own"}
    write_bundle(tmp_path / "mount" / "outer", draft("recommender", feature_fingerprint(), {}), {**own, **packed(*inner, "preference")})
    outer, files = read_bundle(tmp_path / "mount", "recommender")
    assert set(outer.files) == {*own, "preference/network.onnx", "preference/empty", f"preference/{MANIFEST}"}
    assert unpacked(files, "preference") == inner
    assert unpacked(files, "elsewhere") is None


def test_a_bundle_is_found_although_another_is_packed_in_it(tmp_path, inner):
    write_bundle(tmp_path / "mount" / "outer", draft("recommender", feature_fingerprint(), {}), packed(*inner, "preference"))
    assert find_bundle(tmp_path / "mount") == tmp_path / "mount" / "outer"


def test_what_was_packed_is_no_bundle_of_its_own(tmp_path, inner):
    write_bundle(tmp_path / "outer", draft("recommender", feature_fingerprint(), {}), packed(*inner, "preference"))
    with pytest.raises(BadInput, match=f"{ROWS_FILE} is missing from the bundle; copy the bundle whole"):
        read_bundle(tmp_path / "outer" / "preference", "preference")


@pytest.mark.parametrize("name", ["network.onnx", "empty"])
def test_a_packed_file_that_is_another_is_named(inner, name):
    files = packed(*inner, "preference")
    with pytest.raises(BadInput, match=f"preference/{name} is missing or is not the file of bundle {inner[0].version}"):
        unpacked(files | {f"preference/{name}": b"another"}, "preference")


def test_a_packed_file_that_is_missing_is_named(inner):
    files = packed(*inner, "preference")
    del files["preference/network.onnx"]
    with pytest.raises(BadInput, match=r"preference/network\.onnx is missing"):
        unpacked(files, "preference")


@pytest.mark.parametrize("content", [None, b"", b"{}"])
def test_a_packed_manifest_that_is_none_is_refused(inner, content):
    files = packed(*inner, "preference")
    del files[f"preference/{MANIFEST}"]
    told = {} if content is None else {f"preference/{MANIFEST}": content}
    with pytest.raises(BadInput, match="no manifest that can be read"):
        unpacked(files | told, "preference")


def test_a_packed_manifest_that_was_changed_is_refused(inner):
    manifest, files = inner
    with pytest.raises(BadInput, match="was changed after it was written"):
        unpacked(packed(msgspec.structs.replace(manifest, scale="0-100"), files, "preference"), "preference")


def test_a_packed_bundle_of_other_features_is_refused(inner):
    manifest = msgspec.structs.replace(inner[0], feature_fingerprint="f" * 64)
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    with pytest.raises(Incompatible, match="feature fingerprint"):
        unpacked(packed(manifest, inner[1], "preference"), "preference")
