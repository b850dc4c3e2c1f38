"""JSON schemas as tables: one row for each property, nested ones by their path."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = Mapping[str, Any]

_VALUES_SHOWN_MAX: Final = 24
_BOUNDS: Final = (
    ("minimum", "maximum", ""),
    ("minLength", "maxLength", "characters"),
    ("minItems", "maxItems", "items"),
)


@dataclass(frozen=True, slots=True)
class Property:
    """One row: where a value is, what it may be, what it means.

    Where an object has several forms, a row with the title of one as `variant` begins it.
    """

    path: str
    type: str
    required: bool
    description: str
    limits: tuple[str, ...]
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Schemas:
    """The document that schemas are part of, and by which their references are resolved."""

    document: Mapping[str, Any]

    def resolve(self, node: Schema) -> Schema:
        """Follow a reference within the document; keep what is said beside it."""
        followed: list[str] = []
        while "$ref" in node:
            pointer = str(node["$ref"])
            if pointer in followed:
                raise ValueError(f"{pointer} refers to itself")
            followed.append(pointer)
            beside = {key: value for key, value in node.items() if key != "$ref"}
            node = {**self._at(pointer), **beside}
        return node

    def _at(self, pointer: str) -> Schema:
        if not pointer.startswith("#/"):
            raise ValueError(f"{pointer} is outside the document")
        node: Any = self.document
        for part in pointer[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return dict(node)

    def rows(self, schema: Schema) -> list[Property]:
        """Return a schema's properties; none where it is a plain value."""
        return list(self._rows(schema, "", ()))

    def type_of(self, schema: Schema) -> str:
        """Return what kind of value a schema asks for, in words."""
        whole = self._whole(schema)
        if alternatives := _alternatives(whole):
            return " or ".join(dict.fromkeys(self.type_of(one) for one in alternatives))
        if "const" in whole:
            return _literal(whole["const"])
        types = whole.get("type") or _implied(whole)
        names = types if isinstance(types, list) else [types]
        return " or ".join(self._named(name, whole) for name in names)

    def _named(self, name: str, schema: Schema) -> str:
        if name == "array" and "items" in schema:
            return f"array of {self.type_of(schema['items'])}"
        written = schema.get("format") if name != "null" else None
        return f"{name} ({written})" if written else name

    def _whole(self, schema: Schema) -> Schema:
        """Resolve a schema and merge its allOf, as far as a table needs."""
        node = dict(self.resolve(schema))
        properties, required = dict(node.get("properties", {})), list(node.get("required", []))
        for part in node.pop("allOf", []):
            whole = self._whole(part)
            properties |= whole.get("properties", {})
            required += whole.get("required", [])
            node = {**whole, **node}
        if properties:
            node |= {"properties": properties, "required": required}
        return node

    def _rows(self, schema: Schema, path: str, within: tuple[str, ...]) -> Iterator[Property]:
        reference = str(schema.get("$ref", ""))
        if reference and reference in within:
            return  # a tree: its rows stand above
        within = (*within, reference)
        whole = self._whole(schema)
        for name, child in whole.get("properties", {}).items():
            at = f"{path}.{name}" if path else name
            yield self._row(child, at, required=name in whole.get("required", []))
            yield from self._rows(child, at, within)
        yield from self._open_ended(whole, path, within)
        if "items" in whole:
            yield from self._rows(whole["items"], f"{path}[]", within)
        yield from self._variants(whole, path, within)

    def _open_ended(self, whole: Schema, path: str, within: tuple[str, ...]) -> Iterator[Property]:
        child = whole.get("additionalProperties")
        if isinstance(child, Mapping) and child:
            at = f"{path}.*" if path else "*"
            yield self._row(child, at, required=False)
            yield from self._rows(child, at, within)

    def _variants(self, whole: Schema, path: str, within: tuple[str, ...]) -> Iterator[Property]:
        several = [(one, list(self._rows(one, path, within))) for one in _alternatives(whole)]
        objects = [(one, rows) for one, rows in several if rows]
        for number, (one, rows) in enumerate(objects, start=1):
            if len(objects) > 1:
                title = self.resolve(one).get("title", f"Form {number}")
                yield Property(path, "", required=False, description="", limits=(), variant=title)
            yield from rows

    def _row(self, schema: Schema, path: str, *, required: bool) -> Property:
        whole = self._whole(schema)
        return Property(
            path,
            self.type_of(schema),
            required,
            str(whole.get("description", "")),
            self.limits(schema),
        )

    def limits(self, schema: Schema) -> tuple[str, ...]:
        """Return what a value must keep to, a phrase each."""
        whole = self._whole(schema)
        whole = {**self._whole(whole["items"]), **whole} if "items" in whole else whole
        return tuple(_limits(whole))


def _implied(schema: Schema) -> str:
    """Return the type of a schema that names none."""
    if values := schema.get("enum"):
        return "string" if all(isinstance(one, str) for one in values) else "value"
    return "object" if "properties" in schema else "any value"


def _alternatives(schema: Schema) -> list[Schema]:
    return [*schema.get("oneOf", []), *schema.get("anyOf", [])]


def _limits(schema: Schema) -> Iterator[str]:
    if values := schema.get("enum"):
        more = " …" if len(values) > _VALUES_SHOWN_MAX else ""
        yield "one of " + ", ".join(_literal(one) for one in values[:_VALUES_SHOWN_MAX]) + more
    for low, high, unit in _BOUNDS:
        if bounds := _between(schema.get(low), schema.get(high)):
            yield f"{bounds} {unit}".rstrip()
    if "pattern" in schema:
        yield f"matches {schema['pattern']}"
    if "default" in schema:
        yield f"default {_literal(schema['default'])}"


def _between(low: object, high: object) -> str:
    if low is not None and high is not None:
        return str(low) if low == high else f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return f"at most {high}" if high is not None else ""


def _literal(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
