"""Octets to text, whatever charset they claim: mail lies about its charset, and says stop anyway.

Nothing here raises. The result never holds NUL or a lone surrogate, which no database stores.
"""

import binascii
import codecs
import re
from typing import Final

# Names that mailers use and Python does not know, or knows as less than is meant by them.
_ALIASES: Final = {
    "ansi_x3.110-1983": "latin-1",
    "cp-850": "cp850",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "ks_c_5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift_jis": "cp932",
    "x-gbk": "gb18030",
    "x-mac-roman": "mac-roman",
    "x-sjis": "cp932",
    "x-user-defined": "latin-1",
    "x-windows-949": "cp949",
}
# Codecs that are no charset of a mail; the first two take quadratic time.
_NEVER: Final = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
_ENCODED_WORD: Final = re.compile(r"=\?([^?\s]{1,60})\?([BbQq])\?([^?]*)\?=")
_BETWEEN_WORDS: Final = re.compile(r"(?<=\?=)[ \t\r\n]+(?==\?)")
_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]")


def decoded(octets: bytes, charset: str | None) -> str:
    """Decode octets as their charset says, and as they look where it says nothing usable."""
    name = _codec(charset)
    if name in {None, "ascii", "utf-8"}:
        return _guessed(octets)
    try:
        text = octets.decode(str(name), "replace")
    except (LookupError, ValueError):  # a codec may refuse even with "replace"
        return _guessed(octets)
    return _storable(text)


def of_base64(octets: bytes) -> bytes:
    """Decode base64 as far as it goes: garbage, padding amid the data and cut ends are skipped."""
    digits = _BASE64.sub(b"", octets)
    digits = digits[:-1] if len(digits) % 4 == 1 else digits
    return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


def of_quoted_printable(octets: bytes) -> bytes:
    """Decode quoted-printable; what is no escape stands for itself."""
    return binascii.a2b_qp(octets)


def unencoded(value: str) -> str:
    """Read the encoded words of a header field (RFC 2047), however they were cut."""
    pieces: list[str] = []
    run: list[tuple[str, bytes]] = []
    at = 0
    value = _BETWEEN_WORDS.sub("", value)
    for word in _ENCODED_WORD.finditer(value):
        if word.start() > at:
            pieces += [*_run_text(run), value[at : word.start()]]
            run = []
        run.append((word[1].partition("*")[0].lower(), _word_octets(word)))
        at = word.end()
    return _storable("".join([*pieces, *_run_text(run), value[at:]]))


def _run_text(run: list[tuple[str, bytes]]) -> list[str]:
    """Decode neighbouring words of one charset as one: some mailers cut letters in two."""
    joined: list[tuple[str, bytearray]] = []
    for charset, octets in run:
        if joined and joined[-1][0] == charset:
            joined[-1][1].extend(octets)
        else:
            joined.append((charset, bytearray(octets)))
    return [decoded(bytes(octets), charset) for charset, octets in joined]


def _word_octets(word: re.Match[str]) -> bytes:
    encoded = word[3].encode("utf-8", "replace")
    if word[2] in "Bb":
        return of_base64(encoded)
    return binascii.a2b_qp(encoded, header=True)


def _codec(charset: str | None) -> str | None:
    name = (charset or "").strip("\"' ").lower()
    name = _ALIASES.get(name, name)
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):  # NUL in a name is a ValueError
        return None
    # Python's table also has codecs from octets to octets; bytes.decode refuses those.
    return None if found.name in _NEVER else found.name


def _guessed(octets: bytes) -> str:
    try:
        return _storable(octets.decode("utf-8"))
    except UnicodeDecodeError:
        pass
    try:
        return _storable(octets.decode("cp1252"))
    except UnicodeDecodeError:
        return _storable(octets.decode("latin-1"))


def _storable(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)
