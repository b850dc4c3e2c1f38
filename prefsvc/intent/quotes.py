"""The part of a text that is the person's own: no quotations, reactions, signatures.

A quoted advertisement says "Reply STOP to opt out" without anybody asking for it.
"""

import re
from typing import Final

# As many words between quotation marks are somebody else's; fewer are emphasis: please "STOP".
_QUOTED_WORDS_MIN: Final = 4

_OPENING, _CLOSING = '"“„«»”『「', '"”“»«』」'
# From the first mark to the last: the quoted text may itself hold quotations. A long text's end may
# have been cut off, its closing mark with it.
_QUOTED: Final = re.compile(
    f"(?P<before>[^{_OPENING}]*)[{_OPENING}]"
    f"(?:(?P<inside>.*)[{_CLOSING}](?P<after>[^{_CLOSING}]*)|(?P<cut>.*))",
    re.DOTALL,
)
# What iPhones and Android phones write before, or after, a quotation when a person taps a reaction.
_REACTION: Final = re.compile(
    r"(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted"
    r"|removed an? [\w\s]{1,20}from"
    r"|a (?:aimé|adoré|ri|réagi|mis|posé|n'a pas aimé)|n'a pas aimé"
    r"|(?:le|les) (?:gustó|encantó)|no le gustó|indicó|se rió|reaccionó|enfatizó|destacó|cuestionó"
    r"|gefällt|gefiel|liebt|hat|lachte|reagierte"
    r"|gostou|amou|adorou|curtiu|riu|reagiu|enfatizou|questionou|não gostou"
    r"|ha (?:messo|amato|adorato|riso|reagito)|piace|vond|vindt|reageerde|lachte om"
    r"|polubion|gillade|älskade|reagerade|likte|elsket|elskede|reagoi|tykkäsi)",
    re.IGNORECASE,
)
_REACTION_CHARS_MAX: Final = 40
_MAIL_QUOTE: Final = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_SIGNATURE: Final = re.compile(
    r"\n--+[ \t]*\n.*\Z"
    r"|\b(?:sent from my|get outlook for|envoyé depuis mon|enviado desde mi|enviado do meu"
    r"|von meinem \w+ gesendet|gesendet von meinem|inviato da|verzonden vanaf mijn|skickat från min"
    r"|sendt fra min|wysłane z)\b[^\n]{0,40}\Z",
    re.IGNORECASE | re.DOTALL,
)


def own_words(text: str) -> str:
    """Return the text without what the person only quotes, taps or signs with."""
    said = _SIGNATURE.sub("", _MAIL_QUOTE.sub("", text)).strip()
    quoted = _QUOTED.fullmatch(said)
    return said if quoted is None else _beside(quoted)


def _beside(quoted: re.Match[str]) -> str:
    before, after = quoted["before"].strip(), (quoted["after"] or "").strip()
    inside = quoted["inside"] or quoted["cut"] or ""
    if before and len(before) <= _REACTION_CHARS_MAX and _REACTION.match(_visible(before)):
        return after
    if not _is_said(before) and not _is_said(after):
        return inside
    return f"{before}\n{after}" if len(inside.split()) >= _QUOTED_WORDS_MIN else quoted[0]


def _is_said(text: str) -> bool:
    return any(c.isalnum() for c in text)


def _visible(text: str) -> str:
    return text.lstrip("\u200a\u200b\u200c\u200d\u200e\u200f\ufeff ")
