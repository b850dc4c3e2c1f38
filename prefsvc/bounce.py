"""Whether a message that could not be delivered says that nothing can be (RULES E-50)."""

import re
from typing import Final, Literal

from prefsvc.mail.refusals import names_another_cause

# RFC 3463: class, subject, detail. Not a part of an address or a version.
_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\.?\d)")


def of_permanent(*told: str) -> Literal["bounce_hard", "bounce_soft"]:
    """Say what a failure is that the provider calls permanent, given its status and its words.

    A full mailbox (5.2.2) may be emptied, 5.7.x is about the sender's standing, and 4.x.x passes:
    none of them says that the address reaches nobody. Where the status leaves it open, words for
    one of these decide.
    """
    status = next(filter(None, map(_STATUS.search, told)), None)
    if status is not None:
        if status[1] != "5" or status[2] == "7" or (status[2], status[3]) == ("2", "2"):
            return "bounce_soft"
        if status[2] == "1":
            return "bounce_hard"
    return "bounce_soft" if any(map(names_another_cause, told)) else "bounce_hard"


def is_about_the_address(*told: str) -> bool:
    """Say whether the status is one of the mailbox or its domain not being there (5.1.x)."""
    status = next(filter(None, map(_STATUS.search, told)), None)
    return status is not None and (status[1], status[2]) == ("5", "1")
