"""A YAML file as plain texts, lists and mappings that know their lines; whoever reads settings from one and must name the place.

Every scalar stays the text it was written as: what `no`, `1-5` or `0750` means is decided by the column it is for.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import yaml

from cellar_shared.errors import BadInput

_NOTHING = ("", "~", "null", "Null", "NULL")


@dataclass(frozen=True, slots=True)
class Place:
    """A value of a YAML file: a text, None, a list of places or a mapping of places, with where it stands."""

    file: str
    line: int
    key: str
    value: str | list[Place] | dict[str, Place] | None

    def refuse(self, found: str, expected: str) -> BadInput:
        """The error that names this place."""
        where = f", {self.key}" if self.key else ""
        return BadInput(f"{self.file}, line {self.line}{where}: found {found}, expected {expected}")

    def text(self) -> str:
        """The text that stands here; BadInput when it is something else."""
        if not isinstance(self.value, str):
            raise self.refuse(self._shown(), "a text")
        return self.value

    def text_or_none(self) -> str | None:
        """The text that stands here, or None for null."""
        return None if self.value is None else self.text()

    def texts(self) -> list[str]:
        """A list of texts, or one text alone."""
        return [item.text() for item in self.value] if isinstance(self.value, list) else [self.text()]

    def truth(self) -> bool:
        """true or false."""
        if self.value not in ("true", "false"):
            raise self.refuse(self._shown(), "true or false")
        return self.value == "true"

    def number(self) -> float:
        """A number."""
        try:
            return float(self.text())
        except ValueError:
            raise self.refuse(self._shown(), "a number") from None

    def mapping(self, known: Collection[str] | None = None) -> dict[str, Place]:
        """The mapping that stands here; BadInput for another thing and for a key that is not `known`."""
        if not isinstance(self.value, dict):
            raise self.refuse(self._shown(), "keys with values")
        for name, place in self.value.items():
            if known is not None and name not in known:
                raise place.refuse("a key nobody knows", f"one of {', '.join(known)}")
        return self.value

    def _shown(self) -> str:
        if isinstance(self.value, list):
            return "a list"
        if isinstance(self.value, dict):
            return "keys with values"
        return "nothing" if self.value is None else repr(self.value)


def read_places(file: Path) -> Place:
    """The whole file; BadInput names the line where it is no YAML, has a key twice, or uses tags, anchors or merges."""
    try:
        node = yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise BadInput(f"{file} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file} is not UTF-8 ({error.reason}); save it as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise BadInput(f"{file}, line {mark.line + 1 if mark else 1}: this is no YAML ({error.problem})") from error
    except yaml.YAMLError as error:
        raise BadInput(f"{file}: this is no YAML ({error})") from error
    if node is None:
        raise BadInput(f"{file} is empty; expected keys with values")
    return _place_of(node, str(file), "", node.start_mark.line + 1, set())


def _place_of(node: yaml.Node, file: str, key: str, line: int, above: set[int]) -> Place:
    """The place of `node`; of a mapping's value, its `line` is its key's."""
    if id(node) in above:
        raise BadInput(f"{file}, line {line}, {key}: this value holds itself")
    inside = above | {id(node)}
    if isinstance(node, yaml.ScalarNode):
        is_plain_nothing = node.style is None and node.value in _NOTHING
        return Place(file, line, key, None if is_plain_nothing else node.value)
    if isinstance(node, yaml.SequenceNode):
        items = [_place_of(item, file, f"{key}[{at}]", item.start_mark.line + 1, inside) for at, item in enumerate(node.value)]
        return Place(file, line, key, items)
    if not isinstance(node, yaml.MappingNode):
        raise BadInput(f"{file}, line {line}, {key}: this is no text, no list and no mapping")
    found: dict[str, Place] = {}
    for name, value in node.value:
        at = name.start_mark.line + 1
        if not isinstance(name, yaml.ScalarNode):
            raise BadInput(f"{file}, line {at}, {key}: a key is a text")
        path = f"{key}.{name.value}" if key else name.value
        if name.value in found:
            raise BadInput(f"{file}, line {at}, {path}: this key stands there twice; keep one")
        found[name.value] = _place_of(value, file, path, at, inside)
    return Place(file, line, key, found)
