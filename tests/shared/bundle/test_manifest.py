"""Bundles on disk: whole or not at all, and any change after writing is found and named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellar_shared.bundle.manifest import FORMAT, MANIFEST, Bundle, BundleManifest, find_bundle, version_of, write_bundle
from cellar_shared.errors import BadInput, Incompatible

FILES = {"network.onnx": b"\x00\x01weights", "calibrator.json": b"{}", "empty": b""}


def draft(**changed: object) -> BundleManifest:
    fields: dict[str, object] = {
        "format": FORMAT, "model": "preference", "version": "", "created_at": "2024-05-01T00:00:00+00:00",
        "trained_through": "2024-04-30T00:00:00Z", "feature_fingerprint": "f" * 64, "namespace": "made", "scale": "1-5",
        "settings": {"epochs": 3, "bands": (0, 1)}, "facts": {"rows": 10}, "metrics": {"log_loss": 0.5}, "files": {},
    }  # fmt: skip
    return BundleManifest(**(fields | changed))


@pytest.fixture
def bundle(tmp_path) -> Path:
    write_bundle(tmp_path / "bundle", draft(), FILES)
    return tmp_path / "bundle"


def rewrite(bundle: Path, **changed: object) -> None:
    manifest = msgspec.json.decode((bundle / MANIFEST).read_bytes(), type=BundleManifest)
    (bundle / MANIFEST).write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, **changed)))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    names=st.dictionaries(st.text("abc.", min_size=1).map(lambda name: f"f{name}"), st.binary(), max_size=4),
    facts=st.dictionaries(
        st.text(), st.none() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
    ),
)
def test_what_is_written_is_what_is_opened(tmp_path_factory, names, facts):
    path = tmp_path_factory.mktemp("bundles") / "bundle"
    written = write_bundle(path, draft(facts=facts), names)
    opened = Bundle.open(path, "preference")
    assert msgspec.to_builtins(opened.manifest) == msgspec.to_builtins(written) | {"settings": {"epochs": 3, "bands": [0, 1]}}
    assert opened.manifest.facts == facts
    assert {name: opened.read(name) for name in names} == names
    assert sorted(file.name for file in path.iterdir()) == sorted([*names, MANIFEST])


def test_equal_content_has_an_equal_version_whenever_it_was_written(tmp_path):
    one = write_bundle(tmp_path / "one", draft(), FILES)
    other = write_bundle(tmp_path / "other", draft(created_at="2025-01-01T00:00:00+00:00"), dict(reversed(FILES.items())))
    assert one.version == other.version == version_of(other)
    assert len(one.version) == 12


@pytest.mark.parametrize("changed", [{"scale": "0-100"}, {"metrics": {}}, {"trained_through": ""}, {"settings": {"epochs": 4}}])
def test_other_content_has_another_version(tmp_path, bundle, changed):
    other = write_bundle(tmp_path / "other", draft(**changed), FILES)
    assert other.version != Bundle.open(bundle, "preference").manifest.version


@pytest.mark.parametrize("name", [name for name, content in FILES.items() if content])
def test_every_flipped_byte_is_found_and_its_file_named(bundle, name):
    good = FILES[name]
    for place in range(len(good)):
        (bundle / name).write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(BadInput, match=f"{name} is damaged"):
            Bundle.open(bundle, "preference")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_longer_file_is_named(bundle, name):
    (bundle / name).write_bytes(FILES[name] + b" ")
    with pytest.raises(BadInput, match=f"{name} is damaged"):
        Bundle.open(bundle, "preference")
    (bundle / name).unlink()
    with pytest.raises(BadInput, match=f"{name} is missing"):
        Bundle.open(bundle, "preference")


def test_a_file_that_the_manifest_does_not_list_is_let_be(bundle):
    (bundle / ".DS_Store").write_bytes(b"finder")
    assert Bundle.open(bundle, "preference").path == bundle


@pytest.mark.parametrize(
    "changed", [{"metrics": {"log_loss": 0.1}}, {"trained_through": "2030-01-01T00:00:00Z"}, {"version": "0" * 12}, {"scale": "0-100"}]
)
def test_a_manifest_that_was_changed_is_refused(bundle, changed):
    rewrite(bundle, **changed)
    with pytest.raises(BadInput, match="was changed after it was written"):
        Bundle.open(bundle, "preference")


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b"\xff"])
def test_a_manifest_that_is_none_is_refused(bundle, content):
    (bundle / MANIFEST).write_bytes(content)
    with pytest.raises(BadInput, match=f"{MANIFEST} cannot be read"):
        Bundle.open(bundle, "preference")


def test_another_format_and_another_model_do_not_fit(bundle):
    with pytest.raises(Incompatible, match="bundle of model 'preference', wanted 'recommender'"):
        Bundle.open(bundle, "recommender")
    rewrite(bundle, format=FORMAT + 1)
    with pytest.raises(Incompatible, match=f"bundle format {FORMAT + 1}"):
        Bundle.open(bundle, "preference")


def test_a_bundle_is_found_in_the_folders_below(tmp_path):
    write_bundle(tmp_path / "mount" / "INPUT_model" / "1" / "bundle", draft(), FILES)
    opened = Bundle.open(tmp_path / "mount", "preference")
    assert opened.path == tmp_path / "mount" / "INPUT_model" / "1" / "bundle"
    assert opened.read("calibrator.json") == b"{}"


def test_two_bundles_below_are_ambiguous_and_both_named(tmp_path):
    for name in ("one", "other"):
        write_bundle(tmp_path / "mount" / name, draft(), FILES)
    with pytest.raises(BadInput, match=r"mount/one, .*mount/other"):
        find_bundle(tmp_path / "mount")
    assert find_bundle(tmp_path / "mount" / "one") == tmp_path / "mount" / "one"


@pytest.mark.parametrize("name", ["nowhere", "file", "folder"])
def test_where_no_bundle_is_it_says_what_was_expected(tmp_path, name):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match=f"{name} is not a bundle: expected one {MANIFEST}"):
        Bundle.open(tmp_path / name, "preference")


def test_a_path_that_exists_is_refused_and_left_alone(tmp_path, bundle):
    before = {file.name: file.read_bytes() for file in bundle.iterdir()}
    with pytest.raises(BadInput, match="already exists and a bundle is never changed"):
        write_bundle(bundle, draft(scale="0-100"), {})
    assert {file.name: file.read_bytes() for file in bundle.iterdir()} == before
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="already exists"):
        write_bundle(tmp_path / "empty", draft(), FILES)


@pytest.mark.parametrize("step", ["durable._swap", "bundle.manifest.write_durably", "bundle.manifest.version_of"])
def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch, step):
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(f"cellar_shared.{step}", fail)
    with pytest.raises(OSError, match="no space"):
        write_bundle(tmp_path / "bundles" / "bundle", draft(), FILES)
    assert list(tmp_path.rglob("bundles/*")) == []


def test_a_bundle_can_be_read_by_others(bundle):
    assert bundle.stat().st_mode & 0o777 == 0o755
    assert (bundle / MANIFEST).stat().st_mode & 0o444 == 0o444
