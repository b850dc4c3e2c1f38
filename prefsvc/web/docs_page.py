"""The API's documentation page: the OpenAPI document, made readable on the server.

No script and nothing from elsewhere. Every operation has an anchor (its operationId) and so has
every problem code, to which the `type` of a problem points.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from prefsvc.errors import Refusal
from prefsvc.web.docs_command import Content, Example, Parameter, command
from prefsvc.web.docs_markdown import Markdown
from prefsvc.web.docs_schema import Property, Schema, Schemas
from prefsvc.web.html_page import ENVIRONMENT, Page, style

_ACCENT: Final = "#1d4ed8"
_ORIGIN: Final = "https://prefsvc.example.com"
_METHODS: Final = ("get", "head", "options", "post", "put", "patch", "delete")

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem code that the API may answer with: its status, and the sentence that says why."""

    code: str
    status: int
    sentence: str

    @property
    def anchor(self) -> str:
        """Return where on the page it is explained."""
        return f"problem-{self.code}"


def problems_of(statuses: Mapping[type[Refusal], int]) -> list[Problem]:
    """Return the problems that refusals become: each sentence is its class's own."""
    return [Problem(refusal.code, status, str(refusal())) for refusal, status in statuses.items()]


@dataclass(frozen=True, slots=True)
class Answer:
    """One status that an operation may answer with."""

    status: str
    phrase: str
    description: str
    headers: tuple[Parameter, ...]
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    deprecated: bool
    keys: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    body: str
    contents: tuple[Content, ...]
    answers: tuple[Answer, ...]
    command: str


@dataclass(frozen=True, slots=True)
class Group:
    """The operations under one tag."""

    name: str
    anchor: str
    description: str
    operations: tuple[Operation, ...]


def render_docs(document: Mapping[str, Any], problems: Sequence[Problem] = ()) -> Page:
    """Render the whole page from a parsed OpenAPI 3.1 document and the table of problems."""
    ordered = sorted(problems, key=lambda one: (one.status, one.code))
    page_style = style("docs.css", _ACCENT)
    markdown = Markdown({one.code: f"#{one.anchor}" for one in ordered})
    html = ENVIRONMENT.get_template("docs.html").render(
        accent=_ACCENT,
        groups=_Reader(document, Schemas(document)).groups(),
        info=document["info"],
        md=markdown.html,
        mdline=markdown.inline,
        overview=Markdown(markdown.links, heading_level=2).html(
            document["info"].get("description")
        ),
        problems=ordered,
        style=page_style.css,
    )
    return Page(html, "en", page_style)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads operations out of a document."""

    document: Mapping[str, Any]
    schemas: Schemas

    def groups(self) -> list[Group]:
        """Return the operations by tag, in the order in which the tags are declared."""
        found: dict[str, list[Operation]] = {}
        for path, item in self.document.get("paths", {}).items():
            for tag, operation in self._operations(path, self.schemas.resolve(item)):
                found.setdefault(tag, []).append(operation)
        declared = {
            tag["name"]: tag.get("description", "") for tag in self.document.get("tags", [])
        }
        return [
            Group(name, _anchor(name), declared.get(name, ""), tuple(found[name]))
            for name in [*declared, *(name for name in found if name not in declared)]
            if name in found
        ]

    def _operations(self, path: str, item: Node) -> Iterator[tuple[str, Operation]]:
        for method in _METHODS:
            if method in item:
                node = item[method]
                tag = next(iter(node.get("tags", [])), "Other")
                yield tag, self._operation(method, path, node, item.get("parameters", []))

    def _operation(self, method: str, path: str, node: Node, shared: Sequence[Node]) -> Operation:
        parameters = tuple(self._parameters([*shared, *node.get("parameters", [])]))
        body = self.schemas.resolve(node.get("requestBody", {}))
        contents = tuple(self._contents(body))
        keys = tuple(self._keys(node))
        return Operation(
            anchor=node.get("operationId") or _anchor(f"{method} {path}"),
            method=method.upper(),
            path=path,
            summary=node.get("summary", ""),
            description=node.get("description", ""),
            deprecated=bool(node.get("deprecated")),
            keys=keys,
            parameters=parameters,
            body=body.get("description", ""),
            contents=contents,
            answers=tuple(self._answers(node.get("responses", {}))),
            command=command(
                method.upper(), self._origin() + path, parameters, contents, has_key=bool(keys)
            ),
        )

    def _origin(self) -> str:
        urls = [one["url"] for one in self.document.get("servers", [])]
        return next((url.rstrip("/") for url in urls if url.startswith("http")), _ORIGIN)

    def _keys(self, node: Node) -> Iterator[str]:
        """Yield what a caller must show: each a key by its name, with the roles it must have."""
        schemes = self.document.get("components", {}).get("securitySchemes", {})
        for requirement in node.get("security", self.document.get("security", [])):
            for name, roles in requirement.items():
                described = schemes.get(name, {}).get("description", name)
                yield f"{described} ({', '.join(roles)})" if roles else described

    def _parameters(self, nodes: Sequence[Node]) -> Iterator[Parameter]:
        # An operation's own parameter replaces its path's of the same name and place.
        by_place = {(one["in"], one["name"]): one for one in map(self.schemas.resolve, nodes)}
        for (where, name), node in by_place.items():
            required = bool(node.get("required"))
            yield Parameter(name, where, self._value(name, node, required=required))

    def _value(self, name: str, node: Node, *, required: bool) -> Property:
        schema: Schema = node.get("schema", {})
        description = node.get("description") or self.schemas.resolve(schema).get("description", "")
        limits = (*self.schemas.limits(schema), *_example_phrase(node))
        return Property(name, self.schemas.type_of(schema), required, description, limits)

    def _contents(self, holder: Node) -> Iterator[Content]:
        for media_type, node in holder.get("content", {}).items():
            schema: Schema = node.get("schema", {})
            yield Content(
                media_type,
                self.schemas.type_of(schema),
                tuple(self.schemas.rows(schema)),
                tuple(
                    Example(title, _written(value, media_type))
                    for title, value in self._examples(node, schema)
                ),
            )

    def _examples(self, node: Node, schema: Schema) -> Iterator[tuple[str, Any]]:
        for name, one in node.get("examples", {}).items():
            example = self.schemas.resolve(one)
            yield example.get("summary", name), example["value"]
        if "example" in node:
            yield "Example", node["example"]
        if "examples" not in node and "example" not in node:
            for value in self.schemas.resolve(schema).get("examples", []):
                yield "Example", value

    def _answers(self, responses: Node) -> Iterator[Answer]:
        for status, one in responses.items():
            node = self.schemas.resolve(one)
            headers = [{**h, "in": "header", "name": n} for n, h in node.get("headers", {}).items()]
            yield Answer(
                str(status),
                _phrase(str(status)),
                node.get("description", ""),
                tuple(self._parameters(headers)),
                tuple(self._contents(node)),
            )


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _phrase(status: str) -> str:
    try:
        return HTTPStatus(int(status)).phrase
    except ValueError:
        return "any other" if status == "default" else ""


def _example_phrase(node: Node) -> tuple[str, ...]:
    return (f"example {node['example']}",) if "example" in node else ()


def _written(value: object, media_type: str) -> str:
    """Return an example as it goes over the wire; text is text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and media_type == "application/x-www-form-urlencoded":
        return urlencode(value)
    return json.dumps(value, indent=2, ensure_ascii=False)
