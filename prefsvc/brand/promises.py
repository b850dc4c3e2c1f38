"""What a brand has promised: a window for each channel, and for sharing with third parties."""

from collections.abc import Mapping

from prefsvc.address import Channel
from prefsvc.declared import Table, allowed, filled
from prefsvc.honour import (
    CHANNELS_AND_PURPOSES,
    ChannelOrPurpose,
    Promise,
    Span,
    could_end_before,
)


def read_promises(
    tables: Mapping[str, Table], *, channels: tuple[Channel, ...], holidays: str | None
) -> tuple[Promise, ...]:
    """Read every [promises.<channel or purpose>]; `holidays` are those of the brand's country."""
    found = [_read(name, table, channels, holidays) for name, table in tables.items()]
    promises = [one for one in found if one]
    return tuple(sorted(promises, key=lambda one: CHANNELS_AND_PURPOSES.index(one.about)))


def to_documents(promises: tuple[Promise, ...]) -> dict[str, object]:
    """Return promises as the file would have them."""
    return {
        one.about: filled(
            {"target": one.target and one.target.written, "window": one.window.written}
        )
        for one in promises
    }


def _read(
    name: str, table: Table, channels: tuple[Channel, ...], holidays: str | None
) -> Promise | None:
    about = _about(name, table, channels)
    window = table.required("window", _span, None)
    target = table.optional("target", _span, None)
    table.close()
    if not about or not window:
        return None
    promise = Promise(about, window, target, holidays)
    if target and could_end_before(promise.as_rule(window), promise.as_rule(target)):
        table.problem(
            f"the window of {window.written} could end before the target of {target.written};"
            " the target is what the brand aims at, and comes first",
            "window",
        )
    return promise


def _about(name: str, table: Table, channels: tuple[Channel, ...]) -> ChannelOrPurpose | None:
    about = next((one for one in CHANNELS_AND_PURPOSES if one == name), None)
    if not about:
        table.problem(f"no such channel or purpose; {allowed(name, CHANNELS_AND_PURPOSES)}")
    elif channels and about not in (*channels, "third_party_sharing"):
        table.problem(f"the brand has no channel {name}: add it to channels, or take this out")
    return about


def _span(text: str) -> Span:
    span = Span.parse(text)
    if not span.number:
        raise ValueError("must be at least 1")
    return span
