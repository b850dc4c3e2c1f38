"""Whether Twilio, or the network behind it, has answered a text already (RULES S-15). Pure.

A brand's file says who answers its numbers. These two answer whatever it says: Advanced Opt-Out,
which tells so by `OptOutType` (S-12), and the network of toll-free numbers, which nobody can turn
off (S-26).
"""

import re
from typing import Final

from prefsvc.sms.message import InboundMessage

_TOLL_FREE: Final = re.compile(r"\+1(?:800|833|844|855|866|877|888)[0-9]{7}")
_ANSWERED_BY_NETWORK: Final = frozenset({"STOP", "START", "UNSTOP"})


def is_answered(message: InboundMessage) -> bool:
    """Say whether somebody else has answered this text, so that ours would be one too many."""
    return message.opt_out_type is not None or _is_of_toll_free_network(message)


def _is_of_toll_free_network(message: InboundMessage) -> bool:
    is_toll_free = message.network == "sms" and _TOLL_FREE.fullmatch(message.to or "")
    return bool(is_toll_free) and message.body.strip().upper() in _ANSWERED_BY_NETWORK
