"""How a list is to be read, as a command or a request says it. Pure."""

import re
from collections.abc import Mapping
from typing import Final, TypeVar, get_args
from zoneinfo import available_timezones

from prefsvc.address import CHANNELS
from prefsvc.errors import InvalidParameter, UnreadableImport
from prefsvc.imports.columns import COLUMNS, Column
from prefsvc.imports.lines import check_encoding
from prefsvc.imports.moments import DayOrder
from prefsvc.imports.rows import Form, Reading
from prefsvc.suppression import BLOCKED_BY_REASON, Reason, ScopeKind

T = TypeVar("T", bound=str)

REASONS: Final[tuple[Reason, ...]] = tuple(one for one in BLOCKED_BY_REASON if one != "alias")
"""Every reason but the one that only follows from another spelling."""
_LENGTH_MAX: Final = 200
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,99}")


def reading_of(
    given: Mapping[str, str | None], *, columns: Mapping[str, str], all_opted_out: bool
) -> Reading:
    """Read what was given, each under its name; refuse what is unknown."""
    if any(len(text) > _LENGTH_MAX for text in (*columns.values(), given.get("topic") or "")):
        raise UnreadableImport(f"No name of a column or topic has over {_LENGTH_MAX} characters.")
    encoding, delimiter, header = (given.get(one) for one in ("encoding", "delimiter", "header"))
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise InvalidParameter("A delimiter is one character.", pointer="delimiter")
    zone = given.get("time_zone") or "UTC"
    if zone not in available_timezones():
        raise UnreadableImport("Name a time zone as America/New_York.", pointer="time_zone")
    return Reading(
        form=_one_of(given.get("format"), get_args(Form), "format"),
        encoding=check_encoding(encoding) if encoding else None,
        delimiter=delimiter,
        header=tuple(name.strip() for name in header.split(",")) if header else (),
        columns={_column(name): called for name, called in columns.items()},
        channel=_one_of(given.get("channel"), CHANNELS, "channel"),
        scope=_one_of(given.get("scope"), get_args(ScopeKind), "scope"),
        topic=given.get("topic"),
        reason=_one_of(given.get("reason"), REASONS, "reason") or "opt_out",
        all_opted_out=all_opted_out,
        time_zone=zone,
        day_order=_one_of(given.get("dates"), get_args(DayOrder), "dates"),
    )


def check_name(name: str) -> str:
    """Return the name of an import, which is shown and never an address; or refuse it."""
    if not _NAME.fullmatch(name):
        raise InvalidParameter(
            "The name of an import is 1 to 100 letters, digits and any of . _ : -", pointer="import"
        )
    return name


def _column(name: str) -> Column:
    for column in COLUMNS:
        if name == column:
            return column
    raise UnreadableImport(f"The columns are {', '.join(COLUMNS)}.", pointer="columns")


def _one_of(text: str | None, allowed: tuple[T, ...], name: str) -> T | None:
    for choice in allowed:
        if text == choice:
            return choice
    if text is None:
        return None
    raise InvalidParameter(f"{name} must be one of {', '.join(allowed)}.", pointer=name)
