"""When a server refused: at which command of the conversation that a report tells of.

"User unknown" means what it says only if it was the answer to the recipient's address (RCPT).
"""

import re
from typing import Final, Literal

Phase = Literal["sender", "recipient", "message"]

# At which command of the conversation a server refused. After DATA it had the whole message, and
# refused it for what it is, whatever the words: carriers say "user unknown" of filtered mail, too.
_PHASES: Final[dict[Phase, re.Pattern[str]]] = {
    # With several commands sent at once, the answer to RCPT comes after DATA was sent.
    "recipient": re.compile(
        r"(?:\b(?:after|to|our|following|error,)|>>>) ?rcpt\b|rcpt (?:to )?command|\[rcpt_to\]"
        r"|like recipient|rejected recipient|recipient address rejected|recipient rejected"
        r"|no valid recipients|\b5\d\d rcpt to:? ?<|rcpt to generated",
        re.IGNORECASE,
    ),
    "message": re.compile(
        r"after (?:the )?(?:end of |sending )?data\b|end[- ]of[- ]data|to data\b|data command"
        r"|\[data\]"
        r"|>>> ?(?:data|bdat|\.)\s|\(data\)|end of message|after sending message|following data"
        r"|after transfer of mail|after i sent the message",
        re.IGNORECASE,
    ),
    "sender": re.compile(
        r"(?:\b(?:after|to|our|following)|>>>) ?(?:mail from|ehlo|helo)|>>> ?mail\b|\[mail_from\]",
        re.IGNORECASE,
    ),
}
_COMMAND: Final = re.compile(r"^\s*>>> ?(\w+(?: from| to)?)", re.MULTILINE | re.IGNORECASE)
# What each side said, as the programs that do not write `>>>` and `<<<` show it.
_SAID_BY_US: Final = re.compile(
    r"^[^\S\n]*(?:[^\n<>]{0,40}-->|\w{1,20} sent:)(?=[^\S\n]*(?:mail|rcpt|data)\b)",
    re.MULTILINE | re.IGNORECASE,
)
_SAID_BY_THEM: Final = re.compile(
    r"^[^\S\n]*(?:[^\n<>]{0,40}<--|remote server replied:)(?=[^\S\n]*\d{3}\b)",
    re.MULTILINE | re.IGNORECASE,
)
_ACCEPTED: Final = re.compile(
    r"^[^\S\n]*>>>[^\n]*\n[^\S\n]*<<<[^\S\n]*[23]\d\d[^\n]*\n?", re.MULTILINE
)


def plain(text: str) -> str:
    """Return a report in which each transcript is one of sendmail's, without what was accepted."""
    text = _SAID_BY_THEM.sub("<<<", _SAID_BY_US.sub(">>>", text))
    return _ACCEPTED.sub("", text)


def phase_of(text: str) -> Phase | None:
    """Tell at which command the refusal in a text came; None where the text does not say."""
    found = [phase for phase, pattern in _PHASES.items() if pattern.search(text)]
    return found[0] if found else None


def first_refused_phase(text: str) -> Phase | None:
    """Tell after which command the first refusal stands in a transcript (`>>> DATA`)."""
    before, refused, _ = text.partition("<<< 5")
    return last_phase(before) if refused else None


def last_phase(text: str) -> Phase | None:
    """Tell the phase of the last command in a transcript."""
    commands = _COMMAND.findall(text)
    return phase_of(f">>> {commands[-1]} ") if commands else None
