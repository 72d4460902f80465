"""An evaluation's page from its template: pictures and style inside, no script, nothing fetched, all text escaped."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cellar_shared.evaluation.wording import duration, fact, number


def page(package: str, **shown: Any) -> str:
    """The HTML document that `report.html.j2` of the package makes of `shown`; an error where the template names what is not there."""
    environment = Environment(
        loader=PackageLoader(package, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, fact=fact, duration=duration)
    return environment.get_template("report.html.j2").render(**shown)
