"""The networks that texts come from: which channel each is, and what a stop on it stops.

docs/decisions/0005-whatsapp-and-rcs.md has the reasons. Pure.
"""

from typing import Final

from prefsvc.address import Channel
from prefsvc.suppression import Scope

# On networks that are not here (messenger) an id may look like somebody's number.
NUMBERED: Final[dict[str, Channel]] = {"sms": "sms", "rcs": "sms", "whatsapp": "whatsapp"}


def channel_of(network: str) -> Channel:
    """Return the channel that messages on a network belong to."""
    return NUMBERED.get(network, "sms")


def scope_of(network: str) -> Scope:
    """Return what a person's word on a network is about: a STOP, and the START that answers it.

    On RCS it is every promotional agent of the brand (S-32). Elsewhere it is the channel: STOP, and
    STOP ALL, stop every marketing text of the brand to this number (S-18); START restores just that
    (S-14).
    """
    return Scope("brand") if network == "rcs" else Scope("channel")
