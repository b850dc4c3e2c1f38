"""The curl command that makes a call, for the documentation page."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prefsvc.web.docs_schema import Property


@dataclass(frozen=True, slots=True)
class Example:
    """What may be sent or answered, word for word."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """A body in one media type."""

    media_type: str
    type: str
    rows: tuple[Property, ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What goes into the path, the query or a header."""

    name: str
    where: str
    property: Property


def command(
    method: str,
    url: str,
    parameters: Sequence[Parameter],
    contents: Sequence[Content],
    *,
    has_key: bool,
) -> str:
    """Return a command that can be copied: what is in braces is for the reader to fill in."""
    required = [one for one in parameters if one.property.required]
    query = "&".join(f"{one.name}={{{one.name}}}" for one in required if one.where == "query")
    parts = [f"curl -X {method} {shlex.quote(f'{url}?{query}' if query else url)}"]
    if has_key:
        parts.append('-H "Authorization: Bearer $PREFSVC_KEY"')
    headers = [one.name for one in required if one.where == "header"]
    parts += [f"-H {shlex.quote(f'{name}: {{{name}}}')}" for name in headers]
    parts += _body(contents)
    return " \\\n  ".join(parts)


def _body(contents: Sequence[Content]) -> Iterator[str]:
    for content in contents[:1]:
        yield f"-H {shlex.quote('Content-Type: ' + content.media_type)}"
        example = next((one.text for one in content.examples), "{body}")
        yield f"--data-binary {shlex.quote(example)}"
