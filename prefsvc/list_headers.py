"""The list headers of a message: made, read as receivers read them, and checked after sending.

`List-Unsubscribe` itself is made in `prefsvc.links`, which mailing programs may copy; here is what
only prefsvc needs: reading other people's headers (RFC 2369), `List-Id` (RFC 2919), the `mailto:`
form (RFC 6068), and the lint for messages whose headers a mail library may have spoiled.
"""

import re
from collections.abc import Iterator
from email.header import Header
from typing import Final

from prefsvc.links import ONE_CLICK, ListUnsubscribe, list_unsubscribe

__all__ = [
    "ONE_CLICK",
    "ListUnsubscribe",
    "lint",
    "list_id",
    "list_unsubscribe",
    "parse_list_unsubscribe",
    "same_list",
    "unsubscribe_mailto",
]

LIST_ID_OCTETS_MAX = 255  # RFC 2919 §2
LINE_OCTETS_MAX = 998  # RFC 5322 §2.1.1

_LABEL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_DOT_ATOM = re.compile(rf"{_LABEL.pattern}(?:\.{_LABEL.pattern})+")
_HOST = re.compile(r"[A-Za-z0-9.-]+")
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_COMMENT_PIECE = re.compile(r"\\.|[()]|[^\\()]+|\\", re.DOTALL)
_SHORT_TOKEN = re.compile(r"[a-z2-7]{1,62}")  # with "u+" within a local part's 64 octets
_ENCODED_WORD = re.compile(rb"=\?[^?\s]{1,40}\?[BbQq]\?")  # RFC 2047 §2
_ONE_CLICK_VALUE = re.compile(rb"[ \t]?" + ONE_CLICK.encode() + rb"(?:\r?\n)?")


def unsubscribe_mailto(short_token: str, host: str) -> str:
    """Make the `mailto:` of a link; the token is in the local part, where it survives (E-08)."""
    if not _SHORT_TOKEN.fullmatch(short_token) or not _HOST.fullmatch(host):
        raise ValueError("a mailto is made of a short token and an ASCII domain")
    # Nothing here needs an escape (E-07): RFC 6068 lets a plus be, and mail clients keep it.
    return f"mailto:u+{short_token}@{host}?subject=unsubscribe"


def parse_list_unsubscribe(value: str) -> list[str]:
    """Read the URIs of a `List-Unsubscribe` value as a receiver must; none if it is no such value.

    RFC 2369 §2 (E-02): white space within brackets is ignored, and so is all that follows the
    first thing that is not a bracketed URI.
    """
    return _links_and_rest(value)[0]


def _links_and_rest(value: str) -> tuple[list[str], str]:
    """Read the URIs, and return what comes after them and is not read."""
    uris: list[str] = []
    at = _past_comments(value, 0)
    while value[at : at + 1] == "<" and (end := value.find(">", at)) >= 0:
        uri = "".join(value[at + 1 : end].split())
        if "<" in uri:  # never in a URI (RFC 3986): the first bracket is not where it begins
            break
        uris.append(uri)
        at = _past_comments(value, end + 1)
        if value[at : at + 1] != ",":
            break
        at = _past_comments(value, at + 1)
    return [uri for uri in uris if uri], value[at:]


def list_id(name: str, topic: str, domain: str) -> str:
    """Make a `List-Id` value, whose bracketed part stays the same when the name changes (E-06)."""
    identifier = f"{topic}.{domain}"
    if not name.isprintable():
        raise ValueError("a brand's name is one line")
    if not _LABEL.fullmatch(topic) or not _DOT_ATOM.fullmatch(identifier):
        raise ValueError("a List-Id is made of a topic's slug and an ASCII domain")
    value = f"{_phrase(name)} <{identifier}>".lstrip()
    if len(value) > LIST_ID_OCTETS_MAX:
        raise ValueError(f"a List-Id has {LIST_ID_OCTETS_MAX} octets at most")
    return value


def same_list(one: str, other: str) -> bool:
    """Tell whether two `List-Id` values name one list: the phrase and the case do not count."""
    return _identifier(one) == _identifier(other)


def lint(raw_message: bytes) -> list[str]:
    """Say what would keep a mail provider from offering one click on this message; [] if nothing.

    Feed it the message as it left the last program that touches it (RULES E-01, E-02, E-05, E-09).
    """
    fields = list(_fields(raw_message))
    unsubscribe = [value for name, value in fields if name == b"list-unsubscribe"]
    post = [value for name, value in fields if name == b"list-unsubscribe-post"]
    signatures = [value for name, value in fields if name == b"dkim-signature"]
    return [
        *_count_findings("List-Unsubscribe", len(unsubscribe)),
        *_count_findings("List-Unsubscribe-Post", len(post)),
        *(finding for value in unsubscribe for finding in _value_findings(value)),
        *(_POST_ALTERED for value in post if not _ONE_CLICK_VALUE.fullmatch(value)),
        *([_NOT_SIGNED] if signatures and not any(map(_covers_both, signatures)) else []),
    ]


_POST_ALTERED: Final = f"List-Unsubscribe-Post is not exactly {ONE_CLICK}."
_NOT_SIGNED: Final = (
    "No DKIM signature covers both List-Unsubscribe and List-Unsubscribe-Post: "
    "add both names to the headers that are signed."
)


def _count_findings(name: str, count: int) -> list[str]:
    if count == 0:
        return [f"{name} is missing."]
    return [f"{name} occurs {count} times; a message carries one."] if count > 1 else []


def _value_findings(raw: bytes) -> Iterator[str]:
    if _ENCODED_WORD.search(raw):
        yield (
            "List-Unsubscribe was RFC 2047-encoded by a mail library, so no link is found in it: "
            "set prefsvc's value as it is, or let lines be 998 characters long."
        )
        return
    if not raw.isascii():
        yield "List-Unsubscribe has octets that are not ASCII."
    if any(len(line) > LINE_OCTETS_MAX for line in (b"List-Unsubscribe:" + raw).splitlines()):
        yield f"List-Unsubscribe has a line of more than {LINE_OCTETS_MAX} octets."
    if any(len(uri.split()) > 1 for uri in re.findall(rb"<[^<>]*>", raw)):
        yield "List-Unsubscribe has white space or a line break inside its brackets."
    uris, rest = _links_and_rest(raw.decode("latin-1"))
    yield from _uri_findings(uris)
    if uris and rest.strip():
        yield "List-Unsubscribe has something else behind a URI; nothing from there on is read."


def _uri_findings(uris: list[str]) -> Iterator[str]:
    schemes = [uri.partition(":")[0].lower() for uri in uris]
    if not schemes:
        yield "List-Unsubscribe has no URI in angle brackets where it must begin."
    elif schemes.count("https") != 1:
        yield f"List-Unsubscribe has {schemes.count('https')} https URIs; one click needs one."
    elif schemes[0] != "https":
        yield "List-Unsubscribe has another URI before the https one, which hides it from some."
    if "http" in schemes:
        yield "List-Unsubscribe has an http URI; one click needs https."


def _covers_both(signature: bytes) -> bool:
    tags = dict(tag.partition(b"=")[::2] for tag in b"".join(signature.split()).split(b";"))
    signed = tags.get(b"h", b"").lower().split(b":")
    return b"list-unsubscribe" in signed and b"list-unsubscribe-post" in signed


def _fields(raw_message: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Cut the header into fields by hand: a parser would hide the very faults that are sought."""
    header = re.split(rb"\r?\n\r?\n", raw_message, maxsplit=1)[0]
    for field in re.split(rb"\r?\n(?![ \t])", header):
        name, colon, value = field.partition(b":")
        if colon:
            yield name.strip().lower(), value


def _past_comments(text: str, at: int) -> int:
    """Skip white space and comments, which may nest."""
    while True:
        while text[at : at + 1].isspace():
            at += 1
        if text[at : at + 1] != "(":
            return at
        depth = 0
        for piece in _COMMENT_PIECE.finditer(text, at):
            depth += {"(": 1, ")": -1}.get(piece[0], 0)
            at = piece.end()
            if depth == 0:
                break
        else:
            return len(text)


def _phrase(name: str) -> str:
    if not name.isascii():
        return Header(name, "utf-8").encode(linesep="")
    if _PLAIN_PHRASE.fullmatch(name):
        return name.strip()
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _identifier(value: str) -> str:
    return value.rpartition("<")[2].partition(">")[0].strip().lower()
