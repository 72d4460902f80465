"""The commands `cellar api write`, `check`, `release` and `client`: the contract as files, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cellar_shared.api import documents
from cellar_shared.display import Reporter
from cellar_shared.errors import BadInput, CellarError

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of text.")]
API = Path("docs/api")


class Breaks(CellarError):
    """A document takes back what the one before promised."""


def write(
    out: Annotated[Path, typer.Option("--out", help="The folder for NAME.openapi.json.")] = API,
    clients: Annotated[Path | None, typer.Option("--clients", help="Make NAME.py, a typed client, in this folder too.")] = None,
    as_json: Json = False,
) -> None:
    """Write the OpenAPI document of every installed service, as its code has it."""
    from cellar_shared.api.client_source import client_source
    from cellar_shared.durable import write_durably

    written = []
    for name, document in documents.offered_documents().items():
        written.append(out / f"{name}{documents.SUFFIX}")
        write_durably(written[-1], documents.document_bytes(document))
        if clients is not None:
            written.append(clients / f"{name}.py")
            write_durably(written[-1], client_source(document).encode())
    if not written:
        raise CellarError("No installed service offers a document: install one of services/ and try again.")
    Reporter(as_json).result({"written": [str(path) for path in written]}, "\n".join(str(path) for path in written))


def check(
    old: Annotated[Path, typer.Argument(help="The released document.")],
    new: Annotated[Path, typer.Argument(help="The document that is to take its place.")],
    as_json: Json = False,
) -> None:
    """Would clients that were written for OLD break under NEW? Exit status 1 if so, and every place that would."""
    from cellar_shared.api.breaking import breaking_changes

    changes = breaking_changes(documents.read_document(old), documents.read_document(new))
    listed = [{"place": change.place, "what": change.what} for change in changes]
    text = "\n".join(map(str, changes)) or "nothing breaks"
    Reporter(as_json).result({"old": str(old), "new": str(new), "breaking": listed}, text)
    if changes:
        raise Breaks(f"{new} breaks clients of {old} in {len(changes)} place{'s' * (len(changes) > 1)}: add, do not change.")


def release(
    api: Annotated[Path, typer.Option("--api", help="The folder with NAME.openapi.json; released/ is below it.")] = API,
    as_json: Json = False,
) -> None:
    """Make the written documents the released ones, unless one breaks clients of the last release of its contract version."""
    from cellar_shared.api.breaking import breaking_changes
    from cellar_shared.durable import write_durably

    made = {path: documents.read_document(path) for path in sorted(api.glob(f"*{documents.SUFFIX}"))}
    if not made:
        raise BadInput(f"{api}: found no {documents.SUFFIX} in it; write them first (`cellar api write`).")
    places = {path: api / "released" / documents.released_name(path.name.removesuffix(documents.SUFFIX), made[path]) for path in made}
    for path, place in places.items():
        if place.exists() and (changes := breaking_changes(documents.read_document(place), made[path])):
            raise Breaks(f"{path} breaks clients of {place}: {'; '.join(map(str, changes))}")
    for path, place in places.items():
        write_durably(place, documents.document_bytes(made[path]))
    Reporter(as_json).result({"released": [str(place) for place in places.values()]}, "\n".join(map(str, places.values())))


def client(
    document: Annotated[Path, typer.Argument(help="A service's OpenAPI document, as it gives it at /openapi.json.")],
    out: Annotated[Path, typer.Option("--out", help="The module to write; transport.py belongs beside it.")],
    as_json: Json = False,
) -> None:
    """Make a typed Python client of a service from its document."""
    from cellar_shared.api.client_source import client_source
    from cellar_shared.durable import write_durably

    write_durably(out, client_source(documents.read_document(document)).encode())
    Reporter(as_json).result({"out": str(out)}, str(out))
