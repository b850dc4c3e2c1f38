"""A raw message taken apart: header fields, and the tree of its MIME parts.

The standard library's parser is not used: with nested multiparts it recurses until Python gives
up and tests each line against every boundary above it, and its header objects raise where a field
is broken. This one reads any octets, in time proportional to their number, and never raises.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Self

from prefsvc.mail import charsets

OCTETS_READ_MAX: Final = 4 * 2**20  # what a person wrote stands before any attachment
FIELDS_MAX: Final = 1000
FIELD_LENGTH_MAX: Final = 2**20
WORDS_LENGTH_MAX: Final = 4000
DEPTH_MAX: Final = 8
PARTS_MAX: Final = 100

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_HEADER_END: Final = re.compile(rb"(?:\A|(?>\r\n|\n|\r))(?>\r\n|\n|\r)")
_MAILBOX_LINE: Final = re.compile(rb">?From [^\r\n]*[\r\n]*")
_FIELD: Final = re.compile(rb"([!-9;-~]{1,200})[ \t]*:(.*)", re.DOTALL)
_BOUNDARY_IN_USE: Final = re.compile(rb"^--(\S{4,70})[ \t]*\r?\nContent-", re.MULTILINE)
_MEDIA_TYPE: Final = re.compile(r"\s*([\w.+-]{1,80}/[\w.+-]{1,80})")
_PARAMETER: Final = re.compile(
    r";\s*([\w*-]{1,40})\s*=\s*(?:\"((?:[^\"\\]|\\.){0,1000})\"|([^;\s\"]{1,1000}))", re.DOTALL
)
_TRANSFER_ENCODINGS: Final = {
    "base64": charsets.of_base64, "quoted-printable": charsets.of_quoted_printable
}  # fmt: skip


@dataclass(frozen=True, slots=True, repr=False)
class Entity:
    """A message or a part of one; it has no repr to speak of, because that would show addresses."""

    fields: tuple[tuple[str, str], ...]
    """Names in lower case, values unfolded and still encoded."""
    media_type: str
    parameters: dict[str, str]
    octets: bytes
    parts: tuple[Self, ...] = field(default=())

    def first(self, name: str) -> str | None:
        """Return the first field of a name as it stands, addresses to be read from it."""
        return next((value for one, value in self.fields if one == name), None)

    def all(self, name: str) -> list[str]:
        """Return every field of a name."""
        return [value for one, value in self.fields if one == name]

    def has(self, *names: str) -> bool:
        """Say whether there is a field of any of these names."""
        return any(one in names for one, _ in self.fields)

    def words(self, name: str) -> str:
        """Return what a field says to a reader, its encoded words read; "" if it is not there."""
        return " ".join(charsets.unencoded((self.first(name) or "")[:WORDS_LENGTH_MAX]).split())

    def walk(self) -> Iterator[Self]:
        """Yield the entity and every part in it; an enclosed message is one part."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def content(self) -> bytes:
        """The octets with their transfer encoding undone."""
        encoding = (self.first("content-transfer-encoding") or "").strip().lower()
        decode = _TRANSFER_ENCODINGS.get(encoding)
        return decode(self.octets) if decode else self.octets

    @property
    def text(self) -> str:
        """The content as text, with plain line ends."""
        text = charsets.decoded(self.content, self.parameters.get("charset"))
        return text.replace("\r\n", "\n").replace("\r", "\n")

    @property
    def is_attached(self) -> bool:
        """Whether the part is a file that was sent along."""
        return (self.first("content-disposition") or "").lower().lstrip().startswith("attachment")


class _Budget:
    """How many parts may still be read; a message of thousands says nothing in the last ones."""

    def __init__(self) -> None:
        self.parts_left = PARTS_MAX

    def take(self) -> bool:
        self.parts_left -= 1
        return self.parts_left >= 0


def parse(raw: bytes) -> Entity:
    """Take a raw message apart; of a longer one only the first octets are read."""
    raw = raw[:OCTETS_READ_MAX].removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n")
    if mailbox_line := _MAILBOX_LINE.match(raw):
        raw = raw[mailbox_line.end() :]
    return _entity(raw, DEPTH_MAX, _Budget(), "text/plain")


def enclosed(part: Entity) -> Entity:
    """Take apart the message that is inside a part, or the header that is all there is of it."""
    return _entity(part.content.lstrip(b"\r\n"), DEPTH_MAX, _Budget(), "text/plain")


def _entity(raw: bytes, depth: int, budget: _Budget, default_type: str) -> Entity:
    head, body = _cut(raw)
    fields = tuple(_fields(head))
    given = next((value for name, value in fields if name == "content-type"), "")
    media_type, parameters = _typed(given, default_type)
    entity = Entity(fields, media_type, parameters, body)
    boundary = parameters.get("boundary")
    if not media_type.startswith("multipart/") or not boundary or depth == 0:
        return entity
    inner = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
    parts = tuple(
        _entity(part, depth - 1, budget, inner)
        for part in _split(body, _boundary_in(body, boundary.encode("utf-8", "replace")))
        if budget.take()
    )
    return Entity(fields, media_type, parameters, body, parts)


def _cut(raw: bytes) -> tuple[bytes, bytes]:
    """Cut the header from the body; a text that begins with no field is all body."""
    first = _LINE_END.split(raw[:FIELD_LENGTH_MAX], maxsplit=1)[0]
    if first.strip() and not _FIELD.match(first):
        return b"", raw
    end = _HEADER_END.search(raw)
    return (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")


def _fields(head: bytes) -> Iterator[tuple[str, str]]:
    """Read the fields; a line that is no field continues the one before, folded wrongly or not."""
    name, value = "", [b""]
    count = 0
    for line in _LINE_END.split(head):
        found = None if line[:1] in b" \t" else _FIELD.fullmatch(line)
        if found is None:
            value.append(line)
            continue
        if name:
            yield name, _unfolded(value)
        count += 1
        if count > FIELDS_MAX:
            return
        name, value = found[1].decode("ascii").lower(), [found[2]]
    if name:
        yield name, _unfolded(value)


def _unfolded(lines: list[bytes]) -> str:
    joined = b" ".join(line.strip(b" \t") for line in lines)[:FIELD_LENGTH_MAX]
    return charsets.decoded(joined, None).strip()


def _typed(value: str, default: str) -> tuple[str, dict[str, str]]:
    found = _MEDIA_TYPE.match(value)
    if found is None:
        return default, {}
    parameters: dict[str, str] = {}
    for one in _PARAMETER.finditer(value, found.end()):
        name = one[1].lower().partition("*")[0]  # RFC 2231: of a charset's name only the first part
        said = re.sub(r"\\(.)", r"\1", one[2]) if one[2] is not None else one[3]
        parameters.setdefault(name, said)
    return found[1].lower(), parameters


def _boundary_in(body: bytes, declared: bytes) -> bytes:
    """Return the declared boundary, or the one that is in use where it never occurs."""
    if b"--" + declared in body:
        return declared
    in_use = _BOUNDARY_IN_USE.search(body)
    return in_use[1] if in_use else declared


def _split(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """Cut a multipart's body at its boundary lines; the end may be missing."""
    line = re.compile(
        rb"^--" + re.escape(boundary) + rb"(--)?[ \t]*(?:\r\n|\n|\r|\Z)", re.MULTILINE
    )
    start: int | None = None
    for found in line.finditer(body):
        if start is not None:
            yield body[start : found.start()]
        start = None if found[1] else found.end()
    if start is not None and start < len(body):
        yield body[start:]
