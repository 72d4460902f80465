"""Turns the JSON Schemas of an OpenAPI document into Python annotations and msgspec structs; `client_source` asks for them."""

from __future__ import annotations

import ast
import json
import keyword
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from cellar_shared.api.branches import Node, is_note, resolved
from cellar_shared.errors import BadInput

WIDTH: Final = 140
FORMATS: Final = {"date-time": "datetime", "date": "date"}
SCALARS: Final = {"integer": "int", "number": "float", "boolean": "bool", "null": "None"}
# Characters of a list of values from which on it gets a name and lines of its own (judgement).
LONG_LIST: Final = 100
LEFT_OUT: Final = "msgspec.UnsetType"
# Names that the written module uses itself.
_TAKEN: Final = {
    *("bool", "date", "datetime", "dict", "float", "int", "list", "str", "tuple"),
    *("msgspec", "Any", "Client", "Literal", "in_path"),
}


class Types:
    """The types of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._components: Mapping[str, Mapping[str, Any]] = document.get("components", {}).get("schemas", {})
        self._classes = _distinct(self._components, class_name, "schemas")
        self._tags = dict(_tags(document))
        # Long lists of values, under the names that fields call them by; taken out where they are written down.
        self._lists: dict[str, list[str]] = {}
        self._names = set(self._classes)

    def annotation(self, node: Node, name: str = "") -> str:
        """The annotation of what `node` allows; with `name`, a long list of values in it goes by that name."""
        parts = list(dict.fromkeys(self._parts(node, name)))
        if "Any" in parts:
            return "Any"
        objects = [part for part in parts if part in self._classes or part.startswith("dict[")]
        if len(objects) > 1 and not all(self._classes.get(part) in self._tags for part in objects):
            raise BadInput(f"{' | '.join(objects)}: nothing tells these objects apart; give them a discriminator (msgspec: a tag).")
        members = _told_apart(parts)
        for place, member in enumerate(members):
            if name and name not in self._names and member.startswith("Literal[") and len(member) > LONG_LIST:
                values = (f"    {_literal(value)}," for value in ast.literal_eval(member.removeprefix("Literal")))
                self._lists[name] = [f"{name} = Literal[", *values, "]", "", ""]
                self._names.add(name)
                members[place] = name
        return " | ".join(members) or "Any"

    def structs_of(self, nodes: Iterable[Node]) -> list[str]:
        """The source of every struct that `nodes` reach, in the order of the document."""
        reached = set[str]()
        waiting: list[Any] = list(nodes)
        while waiting:
            for name in _references(waiting.pop()) - reached:
                reached.add(name)
                waiting.append(resolved({"$ref": f"#/components/schemas/{name}"}, self._document)[0])
        return [self._struct(name) for name, node in self._components.items() if name in reached and _is_struct(node)]

    def _parts(self, node: Node, alias: str) -> Iterator[str]:
        """The members of the union that `node` is, one by one."""
        if isinstance(node, bool):
            yield "Any"
            return
        node, name = resolved(node, self._document)
        union = next((node[key] for key in ("anyOf", "oneOf", "allOf") if key in node and not _is_struct(node)), None)
        if _is_struct(node):
            yield class_name(name) if name else "dict[str, Any]"
        elif union is not None:
            if "allOf" in node and len(union) > 1:
                raise BadInput(f"{name or 'a schema'}: found allOf of several schemas, expected one; give the type a name of its own.")
            for part in union:
                yield from self._parts(part, alias)
        elif "enum" in node or "const" in node:
            yield from (f"Literal[{_literal(value)}]" for value in node.get("enum", [node.get("const")]))
        else:
            types = node.get("type", "any")
            yield from (self._of_type(kind, node, alias) for kind in ([types] if isinstance(types, str) else types))

    def _of_type(self, kind: str, node: Mapping[str, Any], alias: str) -> str:
        match kind:
            case "array" if "prefixItems" in node:
                return f"tuple[{', '.join(self.annotation(item) for item in node['prefixItems'])}]"
            case "array":
                return f"list[{self.annotation(node.get('items', True), alias)}]"
            case "object":
                return f"dict[str, {self.annotation(node.get('additionalProperties', True), alias)}]"
            case "string":
                return FORMATS.get(node.get("format", ""), "str")
            case "number" if node.get("multipleOf") == 1:
                return "int"
            case _:
                return SCALARS.get(kind, "Any")

    def _struct(self, name: str) -> str:
        node = self._components[name]
        options = ["frozen=True", "kw_only=True", "omit_defaults=True"]
        tag_field, tag = self._tags.get(name, ("", None))
        if tag_field:
            options.append(f"tag_field={_literal(tag_field)}, tag={_literal(tag)}")
        _distinct(node["properties"], identifier, f"properties of {name}")
        fields = [
            self._field(class_name(name), field, schema, is_required=field in node.get("required", ()))
            for field, schema in node["properties"].items()
            if field != tag_field
        ]
        lists = [line for alias in list(self._lists) for line in self._lists.pop(alias)]
        lines = [*lists, f"class {class_name(name)}(msgspec.Struct, {', '.join(options)}):"]
        lines += docstring(node.get("description") or f"{name}, as the contract has it.", "    ")
        return "\n".join([*lines, *([""] if fields else []), *fields])

    def _field(self, struct: str, name: str, node: Node, *, is_required: bool) -> str:
        python = identifier(name)
        annotation = self.annotation(node, struct + "".join(word.capitalize() for word in python.split("_")))
        default = ""
        if not is_required:
            default = _default(node, annotation)
            if default == "msgspec.UNSET":
                annotation = f"{annotation} | {LEFT_OUT}"
        if python != name:
            default = f"msgspec.field(name={_literal(name)}{f', default={default}' if default else ''})"
        line = f"    {python}: {annotation}{f' = {default}' if default else ''}"
        note = _plain("; ".join(_notes(resolved(node, self._document)[0]))) if isinstance(node, Mapping) else ""
        if not note:
            return line
        if len(line) + len(note) + 4 <= WIDTH:
            return f"{line}  # {note}"
        return "\n".join([*textwrap.wrap(note, WIDTH, initial_indent="    # ", subsequent_indent="    # "), line])


def _distinct(names: Iterable[str], spelled: Callable[[str], str], of_what: str) -> dict[str, str]:
    """Each name by its spelling in Python; BadInput where two would be one."""
    found: dict[str, str] = {}
    for name in names:
        if (other := found.setdefault(spelled(name), name)) != name:
            raise BadInput(f"{of_what}: found {other!r} and {name!r}, expected names that differ in Python too; rename one.")
    return found


def class_name(name: str) -> str:
    """A component's name as a class's."""
    return identifier(re.sub(r"\W+", "_", name).strip("_"))


def identifier(name: str) -> str:
    """`name` as Python can have it."""
    kept = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    kept = f"_{kept}" if kept[0].isdigit() else kept
    return f"{kept}_" if keyword.iskeyword(kept) or kept in _TAKEN else kept


def docstring(text: str, indent: str, *further: str) -> list[str]:
    """The lines of a docstring of `text` and `further` paragraphs, each wrapped."""
    paragraphs = []
    for paragraph in (text, *further):
        shown = _plain(paragraph).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
        paragraphs.append(textwrap.wrap(shown, WIDTH - len(indent) - 6, break_on_hyphens=False, break_long_words=False) or [""])
    lines = [line for paragraph in paragraphs for line in ("", *paragraph)][1:]
    if lines[-1].endswith('"'):
        lines[-1] += "."
    if len(lines) == 1:
        return [f'{indent}"""{lines[0]}"""']
    return [f'{indent}"""{lines[0]}', *(f"{indent}{line}" if line else "" for line in lines[1:]), f'{indent}"""']


def _plain(text: str) -> str:
    """The text on one line, without anything that could end a comment or a docstring early."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _is_struct(node: Mapping[str, Any]) -> bool:
    return "properties" in node


def _references(node: Any) -> set[str]:
    """The names of the components that `node` mentions."""
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        own = {reference.rpartition("/")[2]} if isinstance(reference, str) else set()
        return own.union(*(_references(value) for keyword, value in node.items() if not is_note(keyword)))
    return set().union(*map(_references, node)) if isinstance(node, list) else set()


def _tags(node: Any) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Each component that a discriminator tells by a tag, with the tag's field and value."""
    if isinstance(node, Mapping):
        if isinstance(told := node.get("discriminator"), Mapping):
            for tag, reference in told.get("mapping", {}).items():
                yield reference.rpartition("/")[2], (told["propertyName"], tag)
        for value in node.values():
            yield from _tags(value)
    elif isinstance(node, list):
        for value in node:
            yield from _tags(value)


def _told_apart(parts: Iterable[str]) -> list[str]:
    """The members of a union, those made one that msgspec could not tell apart; None comes last."""
    families: dict[str, list[str]] = {}
    for part in parts:
        families.setdefault(_family(part), []).append(part)
    nothing = families.pop("None", [])
    members = []
    for family, alike in families.items():
        values = [part.removeprefix("Literal[").removesuffix("]") for part in alike if part.startswith("Literal[")]
        if len(values) == len(alike) and family in ("str", "int"):
            members.append(f"Literal[{', '.join(values)}]")
        else:
            members.append(alike[0] if len(alike) == 1 and not values else family)
    return members + ["None"] * bool(nothing)


def _family(part: str) -> str:
    """What msgspec takes `part` for while it has not looked closer."""
    if part.startswith("Literal["):
        value = ast.literal_eval(part[8:-1])
        return "None" if value is None else type(value).__name__
    if part in FORMATS.values():
        return "str"
    if part.startswith(("list[", "tuple[")):
        return "list[Any]"
    return "dict[str, Any]" if part.startswith("dict[") else part


def _default(node: Node, annotation: str) -> str:
    """What a field that may be left out is when it is."""
    given = node.get("default", ...) if isinstance(node, Mapping) else ...
    if given is None and annotation.endswith(("None", "Any")):
        return "None"
    if given in ([], {}) and isinstance(node, Mapping) and node.get("type") == {"list": "array", "dict": "object"}.get(annotation[:4]):
        return f"msgspec.field(default_factory={annotation[:4]})"
    if isinstance(given, bool | int | float | str) and annotation in ("bool", "int", "float", "str"):
        return _literal(given)
    if isinstance(given, str) and annotation.startswith("Literal[") and _literal(given) in annotation:
        return _literal(given)
    return "msgspec.UNSET"


def _literal(value: Any) -> str:
    return repr(value) if value is None or isinstance(value, bool) else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _notes(node: Mapping[str, Any]) -> Iterator[str]:
    """What a type does not say: limits, known values, the description."""
    if isinstance(told := node.get("description"), str) and not _is_struct(node):
        yield told
    options = [node, *(part for part in node.get("anyOf", ()) if isinstance(part, Mapping))]
    for option in options:
        for low, high, unit in (
            ("minLength", "maxLength", " characters"),
            ("minItems", "maxItems", " items"),
            ("minimum", "maximum", ""),
        ):
            match option.get(low), option.get(high):
                case None, None:
                    continue
                case None | 0, most if unit:
                    yield f"at most {most}{unit}"
                case least, None:
                    yield f"at least {least}{unit}"
                case None, most:
                    yield f"at most {most}"
                case least, most if least == most:
                    yield f"{least}{unit}"
                case least, most:
                    yield f"{least} to {most}{unit}"
        if isinstance(known := option.get("x-extensible-enum"), list):
            yield f"known: {', '.join(map(str, known))}"
