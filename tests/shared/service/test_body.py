"""What a body may weigh and how it must be declared."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from cellar_shared.service.body import MAX_BODY_BYTES, read_body
from cellar_shared.service.problems import Problem

BODY = b'{"wines": []}'


class Upload:
    """ASGI's receive over given chunks; counts how many were asked for."""

    def __init__(self, *chunks: bytes, ends: bool = True) -> None:
        self._chunks, self._ends, self.asked = chunks, ends, 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        if self.asked > len(self._chunks):
            return {"type": "http.disconnect"}
        more = self.asked < len(self._chunks) or not self._ends
        return {"type": "http.request", "body": self._chunks[self.asked - 1], "more_body": more}


def test_a_body_arrives_whole_whatever_its_chunks():
    assert asyncio.run(read_body({}, Upload(b"abc"), limit=3)) == b"abc"
    assert asyncio.run(read_body({}, Upload(b"a", b"", b"bc"), limit=3)) == b"abc"


def test_a_body_past_the_limit_is_refused_at_the_chunk_that_passes_it():
    upload = Upload(b"aa", b"aa", b"aa", b"aa")
    with pytest.raises(Problem, match="at most 3 bytes") as refusal:
        asyncio.run(read_body({}, upload, limit=3))
    assert (refusal.value.code, upload.asked) == ("too-large", 2)


@pytest.mark.parametrize("declared", [b"4", b"9" * 5000])
def test_a_declared_length_past_the_limit_is_refused_before_anything_is_read(declared):
    upload = Upload(b"abcd")
    with pytest.raises(Problem):
        asyncio.run(read_body({b"content-length": declared}, upload, limit=3))
    assert upload.asked == 0


def test_a_client_that_leaves_in_the_middle_is_no_problem_to_answer():
    with pytest.raises(ClientDisconnect):
        asyncio.run(read_body({}, Upload(b"abc", ends=False), limit=10))


def test_the_limit_itself_is_still_accepted(client):
    assert client.score(BODY.ljust(MAX_BODY_BYTES)).status_code == 200
    refused = client.score(BODY.ljust(MAX_BODY_BYTES + 1))
    assert (refused.status_code, refused.json()["type"]) == (413, "urn:cellar:problem:too-large")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/json; v=2",
    ],
)
def test_plain_json_in_utf_8_is_accepted_however_it_is_spelled(client, content_type):
    assert client("POST", "/score", content=BODY, headers={"content-type": content_type}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/jsonp"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_anything_else_is_refused_as_not_json(client, headers):
    refused = client("POST", "/score", content=BODY, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (415, "urn:cellar:problem:not-json")


def test_identity_is_no_encoding(client):
    headers = {"content-type": "application/json", "content-encoding": "identity"}
    assert client("POST", "/score", content=BODY, headers=headers).status_code == 200
