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
# What iPhones and Android phones write before a quotation when a person taps a reaction: the verb
# or an emoji, and nothing of the person's own.
_REACTION: Final = re.compile(
    r"\W+(?:to|a|à)\W*|\W*(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted"
    r"|removed an? [\w\s]{1,20}from"
    r"|a (?:aimé|adoré|ri|réagi|mis|posé|n'a pas aimé)|n'a pas aimé"
    r"|(?:le|les) (?:gustó|encantó)|no le gustó|indicó|se rió|reaccionó|enfatizó|destacó|cuestionó"
    r"|gefällt|gefiel|liebt|hat|lachte|reagierte"
    r"|gostou|amou|adorou|curtiu|riu|reagiu|enfatizou|questionou|não gostou"
    r"|ha (?:messo|amato|adorato|riso|reagito)|piace|vond|vindt|reageerde|lachte om"
    r"|polubion[oy]|gillade|älskade|reagerade|likte|elsket|elskede|reagoi|tykkäsi)\b"
    r"(?:\W|\b(?:to|with|an?|thumbs|up|heart|de|à|avec|que|le|gusta|con|com|di|mit|auf|über|på|om"
    r"|til|med|op|do|na)\b)*",
    re.IGNORECASE,
)
_REACTION_CHARS_MAX: Final = 40
_SAYING_CHARS_MAX: Final = 60
_MAIL_QUOTE: Final = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
_SIGNATURE: Final = re.compile(
    r"\b(?:sent from my|get outlook for|envoyé depuis mon|enviado desde mi|enviado do meu"
    r"|von meinem \w+ gesendet|gesendet von meinem|inviato da|verzonden vanaf mijn|skickat från min"
    r"|sendt fra min|wysłane z)\b[^\n.!?]{0,40}(?=[\n.!?]|\Z)",
    re.IGNORECASE,
)
# Before a quotation of what the person said to us: those words are a request made again.
_OWN_SAYING: Final = re.compile(
    r"\b(?:i(?:'ve| have)?(?: already| just| clearly)? (?:said|say|repeat|wrote|texted|replied)"
    r"|(?:told|asked) (?:you|u|y'?all|you guys)(?: people)?(?: \w+)?"
    r"|(?:les|le|te|ya) (?:dije|pedí)|yo dije|dije|j'ai dit|vous ai (?:dit|demandé)"
    r"|ich (?:sagte|schrieb)|gesagt|eu (?:disse|falei)|ho (?:detto|scritto|chiesto))\W*\Z",
    re.IGNORECASE,
)


def own_words(text: str) -> str:
    """Return the text without what the person only quotes, taps or signs with."""
    said = _SIGNATURE.sub("", _MAIL_QUOTE.sub("", text)).strip()
    said = said if _is_said(said) else text
    quoted = _QUOTED.fullmatch(said)
    return said if quoted is None else _beside(quoted)


def _beside(quoted: re.Match[str]) -> str:
    before, after = quoted["before"].strip(), (quoted["after"] or "").strip()
    inside = quoted["inside"] or quoted["cut"] or ""
    if before and len(before) <= _REACTION_CHARS_MAX and _REACTION.fullmatch(before):
        return after
    if _OWN_SAYING.search(before[-_SAYING_CHARS_MAX:]):
        return quoted[0]
    if not _is_said(before) and not _is_said(after):
        return inside
    return f"{before}\n{after}" if len(inside.split()) >= _QUOTED_WORDS_MIN else quoted[0]


def _is_said(text: str) -> bool:
    return any(c.isalnum() for c in text)
