"""Reading what callers send as JSON, strictly, and answering in it."""

import re
from typing import Any, Literal, TypeVar

import msgspec
from aiohttp import web

from prefsvc.bodies import read_body
from prefsvc.country import parse_country
from prefsvc.doors import SERVICE
from prefsvc.errors import InvalidBody, InvalidParameter

T = TypeVar("T")

_AT = re.compile(r" - at `(\$[^`]*)`$")
_VALUE_SHOWN = ("Invalid enum value", "Invalid value", "Object contains unknown field")


class Strict(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A body: an unknown field is refused, so that a typing error cannot pass for a wish."""


async def read_json(request: web.Request, kind: type[T]) -> T:
    """Read the body as this kind, or refuse it with what is wrong and where."""
    settings = request.app[SERVICE].settings
    raw = await read_body(
        request,
        bytes_max=settings.body_bytes_max,
        timeout_seconds=settings.body_read_timeout_seconds,
    )
    return decode(raw, kind)


def decode(raw: bytes, kind: type[T], *, what: Literal["body", "line"] = "body") -> T:
    """Read JSON as this kind, or refuse it without repeating any of its values."""
    if b"\\u0000" in raw:
        # PostgreSQL holds no NUL; nothing that has one is an address or a word.
        raise InvalidBody("A text contains NUL (\\u0000); send it without.")
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidBody(f"The {what} is not whole, well-formed JSON in UTF-8.") from None


def _invalid(message: str) -> InvalidBody:
    at = _AT.search(message)
    pointer = "/" + re.sub(r"[.\[\]]+", "/", at[1][1:]).strip("/") if at else ""
    what = _AT.sub("", message)
    if what.startswith(_VALUE_SHOWN):
        unknown = what.startswith("Object contains unknown field")
        what = "Contains a field that is not known here" if unknown else "Not an allowed value"
    return InvalidBody(f"{what}; openapi.yaml describes this body.", pointer=pointer or "/")


def country_of(text: str | None) -> str | None:
    """Read a body's field `country`, where it has one."""
    return None if text is None else parse_country(text, pointer="/country")


def answer(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer in JSON; nothing here is for a shared cache."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store"} | (headers or {}),
    )


def query(request: web.Request, *allowed: str) -> dict[str, str]:
    """Return the query's parameters; refuse unknown and repeated ones."""
    found = dict(request.query)
    if unknown := found.keys() - set(allowed):
        known = ", ".join(allowed) or "none"
        raise InvalidParameter(f"{len(unknown)} unknown parameters; known here: {known}.")
    if len(found) != len(request.query):
        raise InvalidParameter("A parameter is given twice; give each once.")
    if any("\0" in value for value in found.values()):
        raise InvalidParameter("A parameter contains NUL; send it without.")
    return found


def whole_number(text: str, *, name: str, at_least: int, at_most: int) -> int:
    """Read a parameter that is a whole number within bounds."""
    if not re.fullmatch(r"[0-9]{1,12}", text) or not at_least <= int(text) <= at_most:
        raise InvalidParameter(
            f"{name} must be a whole number from {at_least} to {at_most}.", pointer=name
        )
    return int(text)


def one_of(text: str, *, name: str, allowed: tuple[T, ...]) -> T:
    """Read a parameter that is one of a few words."""
    for choice in allowed:
        if text == choice:
            return choice
    raise InvalidParameter(f"{name} must be one of {', '.join(map(str, allowed))}.", pointer=name)
