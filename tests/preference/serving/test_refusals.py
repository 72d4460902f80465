"""Every refusal of the closed list that a request can earn here: its status, its code, the place it names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from cellar_shared.bundle.manifest import MANIFEST
from cellar_shared.store.generation import GenerationManifest

WINES = [{"wine_id": "w"}]
GOOD = {"wines": WINES, "history": []}
RATED = {"wine_id": "w", "rating": 3}


def refusal(response, code, status, pointer=None):
    """The problem document, after a look at what every refusal has in common."""
    document = response.json()
    assert (response.status_code, document["status"], document["type"]) == (status, status, f"urn:cellar:problem:{code}"), document
    assert response.headers["content-type"] == "application/problem+json"
    assert document["request_id"] == response.headers["x-ms-client-request-id"]
    assert document["title"]
    assert document["detail"]
    if pointer is not None:
        assert [(error["pointer"], error["code"]) for error in document["errors"]] == [(pointer, code)]
    return document


@pytest.mark.parametrize("body", [b"", b"{", b'{"wines": NaN}', b"\xff", b"[1,]"])
def test_what_is_no_json_is_refused(client, body):
    refusal(client.post(body), "invalid-json", 400)


def test_more_than_a_mebibyte_is_refused_and_a_mebibyte_is_not(client):
    body = msgspec.json.encode(GOOD)
    refusal(client.post(body + b" " * ((1 << 20) - len(body) + 1)), "too-large", 413)
    assert client.post(body + b" " * ((1 << 20) - len(body))).status_code == 200


def test_what_is_not_declared_as_json_is_refused(client):
    refusal(client.post(GOOD, content_type="text/plain"), "not-json", 415)


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"wine": 1}, "/wine"),
        ({"wines": [{"wine_id": "w", "name": "x"}]}, "/wines/0/name"),
        ({"wines": [{"wine_id": "w", "about": {"colour": "red"}}]}, "/wines/0/about/colour"),
        ({"history": [RATED, RATED | {"like": True}]}, "/history/1/like"),
    ],
)
def test_a_field_nobody_knows_is_refused(client, changed, pointer):
    refusal(client.post(GOOD | changed), "unknown-field", 422, pointer)


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"wines": "w"}, "/wines"),
        ({"wines": [{}]}, "/wines/0/wine_id"),
        ({"wines": [{"wine_id": 7}]}, "/wines/0/wine_id"),
        ({"wines": [{"wine_id": "w", "vintage": [2015]}]}, "/wines/0/vintage"),
        ({"history": [{"wine_id": "w"}]}, "/history/0/rating"),
        ({"history": [{"wine_id": "w", "rating": "4"}]}, "/history/0/rating"),
        ({"history": [RATED | {"rated_at": "2020-01-01"}]}, "/history/0/rated_at"),
        ({"as_of": "2020-01-01T00:00:00"}, "/as_of"),
        ({"explain": 1}, "/explain"),
        ({"scale": 5}, "/scale"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(client, changed, pointer):
    refusal(client.post(GOOD | changed), "wrong-type", 422, pointer)


def test_a_body_that_is_no_object_is_refused(client):
    refusal(client.post([GOOD]), "wrong-type", 422, "")


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"wines": []}, "/wines"),
        ({"wines": WINES * 501}, "/wines"),
        ({"wines": [{"wine_id": ""}]}, "/wines/0/wine_id"),
        ({"wines": [{"wine_id": "w" * 513}]}, "/wines/0/wine_id"),
        ({"wines": [{"wine_id": "w", "vintage": 1499}]}, "/wines/0/vintage"),
        ({"wines": [{"wine_id": "w", "vintage": 2015.5}]}, "/wines/0/vintage"),
        ({"wines": [{"wine_id": "w", "vintage": 2201}]}, "/wines/0/vintage"),
        ({"wines": [{"wine_id": "w", "vintage": "MV"}]}, "/wines/0/vintage"),
        ({"wines": [{"wine_id": "w", "about": {"price": -1}}]}, "/wines/0/about/price"),
        ({"wines": [{"wine_id": "w", "about": {"abv": 81}}]}, "/wines/0/about/abv"),
        ({"history": [RATED] * 1001}, "/history"),
        ({"history": [RATED, RATED, RATED, RATED | {"rating": 5.1}]}, "/history/3/rating"),
        ({"history": [RATED, RATED | {"rating": 0.9}]}, "/history/1/rating"),
        ({"history": [RATED], "scale": "0-100", "as_of": "0001-01-01T00:00:00+14:00"}, "/as_of"),
        ({"history": [RATED | {"rated_at": "0001-01-01T00:00:00+14:00"}]}, "/history/0/rated_at"),
        ({"history": [RATED | {"rated_at": "9999-12-31T23:59:59-14:00"}]}, "/history/0/rated_at"),
        ({"scale": "A-F"}, "/scale"),
        ({"scale": ""}, "/scale"),
    ],
)
def test_a_value_out_of_range_is_refused(client, changed, pointer):
    refusal(client.post(GOOD | changed), "out-of-range", 422, pointer)


def test_a_scale_nobody_knows_is_refused_for_a_stored_member_too(client):
    detail = refusal(client.post({"wines": WINES, "member_id": "m1", "scale": "A-F"}), "out-of-range", 422, "/scale")["detail"]
    assert "1-5" in detail
    assert "0-100" in detail


def test_every_rating_off_the_scale_is_named_up_to_twenty(client):
    history = [RATED | {"rating": 3 if place % 2 else 50} for place in range(60)]
    document = client.post({"wines": WINES, "history": history}).json()
    assert [error["pointer"] for error in document["errors"]] == [f"/history/{2 * place}/rating" for place in range(20)]


def test_the_largest_request_is_answered(client):
    response = client.post({"wines": WINES * 500, "history": [RATED] * 1000})
    assert len(response.json()["results"]) == 500


@pytest.mark.parametrize("fields", [{}, {"member_id": "m1", "history": []}, {"member_id": None, "history": None}])
def test_a_request_names_a_member_or_a_history_and_not_both(client, fields):
    refusal(client.post({"wines": WINES, **fields}), "member-ambiguous", 422, "")


def test_the_future_is_refused_and_a_clock_that_is_59_seconds_ahead_is_not(client):
    now = datetime.now(UTC)
    refusal(client.post(GOOD | {"as_of": (now + timedelta(hours=1)).isoformat()}), "as-of-in-future", 422, "/as_of")
    assert client.post(GOOD | {"as_of": (now + timedelta(seconds=59)).isoformat()}).status_code == 200


def test_a_moment_before_the_kept_counts_is_refused_with_the_earliest_there_is(client):
    earliest = client("GET", "/v2/models/preference").json()["properties"]["earliest_as_of"]
    document = refusal(client.post(GOOD | {"as_of": "2012-01-02T23:59:59.999999Z"}), "as-of-too-early", 422, "/as_of")
    assert earliest in document["detail"]
    assert client.post(GOOD | {"as_of": earliest}).status_code == 200


def not_ready(client):
    """The refusal that scoring, readiness and metadata give alike."""
    asked = [client.post(GOOD), client("GET", "/v2/health/ready"), client("GET", "/v2/models/preference")]
    details = {refusal(response, "not-ready", 503)["detail"] for response in asked}
    assert client("GET", "/v2/health/live").status_code == 200
    (detail,) = details
    return detail


def test_before_it_has_loaded_a_service_is_not_ready_and_says_when_to_ask_again(connect, line):
    client = connect(line.bundle, line.store)
    assert "try again" in not_ready(client)
    assert client.post(GOOD).json()["retry_after_ms"] > 0


@pytest.mark.parametrize("name", ["network.onnx", "vocabulary.npy", "calibrator.json", "golden.npz", "rows.npy"])
def test_a_bundle_with_a_flipped_byte_is_never_served(connect, own, name):
    content = bytearray((own.bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own.bundle / name).write_bytes(content)
    client = connect(own.bundle, own.store).start()
    detail = not_ready(client)
    assert name in detail
    assert "damaged" in detail
    assert client.post(GOOD).json()["retry_after_ms"] is None  # it will not mend itself


def test_a_bundle_of_another_model_or_with_another_manifest_is_never_served(connect, own, forge):
    (own.bundle / MANIFEST).write_bytes((own.bundle / MANIFEST).read_bytes().replace(b'"seed": 20', b'"seed": 21'))
    assert "changed after it was written" in not_ready(connect(own.bundle, own.store).start())
    forge(own.bundle, model="recommender")
    assert "'recommender'" in not_ready(connect(own.bundle, own.store).start())


def test_a_bundle_of_other_features_is_never_served(connect, own, forge):
    forge(own.bundle, feature_fingerprint="0" * 64)
    assert "feature fingerprint 000000000000" in not_ready(connect(own.bundle, own.store).start())


@pytest.mark.parametrize("changed", [{"namespace": "elsewhere"}, {"scale": "0-100"}])
def test_a_bundle_of_other_wines_or_another_scale_is_never_served(connect, own, forge, changed):
    forge(own.bundle, **changed)
    assert "train on this data" in not_ready(connect(own.bundle, own.store).start())


def test_a_generation_of_other_features_is_never_served(connect, own):
    file = next((own.store / "generations").iterdir()) / "manifest.json"
    manifest = msgspec.json.decode(file.read_bytes(), type=GenerationManifest)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, feature_fingerprint="0" * 64)))
    assert "feature fingerprint 000000000000" in not_ready(connect(own.bundle, own.store).start())


@pytest.mark.parametrize("name", ["wines.npy", "index/rows.npy", "counts/totals.npy"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_generation_that_is_damaged_or_was_copied_in_part_is_never_served(connect, own, name, is_cut):
    """What is mapped is not looked at when it is opened."""
    (file,) = (own.store / "generations").glob(f"*/{name}")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content[: len(content) // 2] if is_cut else content)
    detail = not_ready(connect(own.bundle, own.store).start())
    assert name in detail
    assert "damaged" in detail


def test_without_a_generation_a_service_is_not_ready_and_says_how_to_make_one(connect, own, tmp_path):
    assert "cellar materialize" in not_ready(connect(own.bundle, tmp_path / "nowhere").start())
    next((own.store / "generations").glob("*/members/data.mdb")).unlink()
    assert "data.mdb is missing" in not_ready(connect(own.bundle, own.store).start())
