"""HTML of a mail as plain text, in which what the person only quotes stands behind `>`.

The standard library's HTML parser is not used: 64 KiB of `<a ` keep it busy for forty seconds, and
`<![` makes it raise. This one reads a stream of tags in one pass and keeps a stack of open ones.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from typing import Final, Literal

CHARS_READ_MAX: Final = 512 * 1024
_ATTRIBUTE_CHARS_MAX: Final = 4000

Effect = Literal["quote", "attribution", "hide", "cut"]

_PIECE: Final = re.compile(
    r"(?P<comment><!--)|<[!?][^<>]*+>?"
    r"|<(?P<end>/?)(?P<name>[a-zA-Z][\w:]{0,40})(?=[\s/>])"
    r"(?P<attributes>(?:[^<>\"']|\"[^\"<]*+\"|'[^'<]*+'|[\"'])*+)>"
    r"|(?P<text>[^<]++|<[^<]*+)"
)
_ATTRIBUTE: Final = re.compile(
    r"([a-z][\w-]{0,40})\s{0,8}=\s{0,8}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))", re.IGNORECASE
)
_SPACE: Final = re.compile(r"[^\S\n]+|\n")
_INLINE: Final = frozenset(
    {
        "a", "abbr", "b", "bdo", "big", "cite", "code", "del", "em", "font", "i", "img", "ins",
        "kbd", "label", "mark", "o:p", "q", "s", "small", "span", "strike", "strong", "sub", "sup",
        "tt", "u", "wbr",
    }
)  # fmt: skip
_VOID: Final = frozenset({"base", "br", "col", "hr", "img", "input", "link", "meta", "wbr"})
_UNSEEN: Final = frozenset({"head", "script", "style", "title", "template", "noscript", "xml"})
_RAW: Final = frozenset({"script", "style", "title"})  # no tags are read inside them

# What mail programs put around a quotation or a signature. A class may have a prefix of letters
# and digits, which other programs added when they quoted the mail in their turn.
_QUOTES: Final = re.compile(
    r"(?:^|\s)\w*(?:protonmail_quote|tutanota_quote|zmail_extra|moz-cite-prefix"
    r"|OutlookMessageHeader|js-readmsg-msg|replied-wrapper|quoted-text"
    r"|quotedText|gmail_attr|mailspring-quote|hey-quoted|WikiRefQuote)(?=\s|$)"
)
_ATTRIBUTED: Final = re.compile(r"(?:^|\s)\w*gmail_quote(?:_container)?(?=\s|$)")
_SIGNATURES: Final = re.compile(
    r"(?:^|\s)\w*(?:gmail_signature|gmail_signature_prefix|moz-signature|ms-outlook-mobile-signature"
    r"|protonmail_signature_block(?:-user|-proton)?|AppleMailSignature|AppOriginalContents_sig)(?=\s|$)"
)
_SIGNATURE_IDS: Final = re.compile(
    r"(?:x_)*(?:Signature|AppleMailSignature|ms-outlook-mobile-signature|lineBreakAtBeginningOf\w+)$"
)
# Here a whole message begins that ends with the mail: Outlook, Hotmail, Zimbra, AOL.
_CUTS: Final = re.compile(
    r"(?:x_)*(?:divRplyFwdMsg|appendonsend|OLK_SRC_BODY_SECTION|stopSpelling|zwchr"
    r"|mail-editor-reference-message-container|ms-outlook-mobile-body-separator-line\w*"
    r"|reply-intro|isReplyContent|AOLMsgPart_\w[\w-]*|yiv\w*QuotedMessage)$"
)
_CUT_CLASSES: Final = re.compile(r"(?:^|\s)\w*(?:yahoo_quoted|moz-forward-container)(?=\s|$)")
# The line that Outlook and Windows Mail draw above the header of the message that is answered.
_RULED: Final = re.compile(
    r"border:\s?none;\s?border-top:\s?solid\s#?\w{3,9}\s1\.0pt"
    r"|border-top-color:\s?rgb\(\d{3}, ?\d{3}, ?\d{3}\);[^;]{0,40};?\s?border-top-(?:style|width)",
    re.IGNORECASE,
)
_UNDISPLAYED: Final = re.compile(r"display\s?:\s?none|visibility\s?:\s?hidden|mso-hide\s?:\s?all")
_WEB_LINK: Final = re.compile(r"\s*(?:https?:|//|www\.)", re.IGNORECASE)


def plain_text(source: str) -> str:
    """Return what a reader sees, line by line; quotations are marked, links to the web left out.

    The words of a link are the page's and not the person's: "Unsubscribe" in a footer.
    """
    reader = _Reader()
    for name, is_end, attributes, text in _pieces(source[:CHARS_READ_MAX]):
        if name:
            reader.close(name) if is_end else reader.open(name, attributes)
        else:
            reader.write(text)
        if reader.is_cut:
            break
    return reader.finished()


def _pieces(source: str) -> Iterator[tuple[str, bool, str, str]]:
    """Yield tags (name, whether it ends, attributes) and texts, each once and in order."""
    at = 0
    while found := _PIECE.match(source, at):
        at = found.end()
        name = (found["name"] or "").lower()
        if found["comment"]:
            at = _after(source, "-->", at)
        elif name or found["text"]:
            yield name, bool(found["end"]), found["attributes"] or "", found["text"] or ""
        if name in _RAW and not found["end"]:
            end = re.compile(f"</{name}", re.IGNORECASE).search(source, at)
            at = end.start() if end else len(source)


def _after(source: str, mark: str, at: int) -> int:
    end = source.find(mark, at)
    return end + len(mark) if end >= 0 else len(source)


class _Reader:
    """The tags that are open, what they do to the text inside, and the lines so far."""

    def __init__(self) -> None:
        self.is_cut = False
        self._open: list[tuple[str, Effect | None]] = []
        self._open_count: Counter[str] = Counter()
        self._effects: Counter[Effect | None] = Counter()
        self._attributions_read = 0
        self._lines: list[str] = []
        self._line: list[str] = []
        self._line_is_quoted = False

    def open(self, name: str, attributes: str) -> None:
        effect = _effect(name, attributes)
        if effect == "cut":
            self._end_line()
            self.is_cut = True
            return
        if name not in _INLINE:
            self._end_line()
        if name not in _VOID:
            self._open.append((name, effect))
            self._open_count[name] += 1
            self._effects[effect] += 1

    def close(self, name: str) -> None:
        """Close a tag and all that were opened in it and never closed."""
        if not self._open_count[name]:
            return
        if name not in _INLINE:
            self._end_line()
        while self._open:
            one, effect = self._open.pop()
            self._open_count[one] -= 1
            self._effects[effect] -= 1
            if effect == "attribution":
                self._attributions_read = min(self._attributions_read, self._effects[effect])
            elif effect == "quote":
                # Behind the first quotation in Gmail's wrapper an answer may stand.
                self._attributions_read = self._effects["attribution"]
            if one == name:
                return

    def write(self, text: str) -> None:
        if self._effects["hide"]:
            return
        said = _SPACE.sub(" ", html.unescape(text))
        if not said.strip():
            self._line.append(" ")
            return
        is_quoted = bool(
            self._effects["quote"] or self._effects["attribution"] > self._attributions_read
        )
        if is_quoted != self._line_is_quoted:
            self._end_line()
            self._line_is_quoted = is_quoted
        self._line.append(said)

    def finished(self) -> str:
        self._end_line()
        return "\n".join(self._lines)

    def _end_line(self) -> None:
        line = " ".join("".join(self._line).split(" ")).strip()
        self._line.clear()
        if line or (self._lines and self._lines[-1]):
            self._lines.append(f"> {line}" if line and self._line_is_quoted else line)


def _effect(name: str, attributes: str) -> Effect | None:
    if name in _UNSEEN:
        return "hide"
    if name == "blockquote":
        return "quote"
    if "=" not in attributes:
        return None
    given = _attributes(attributes)
    if name == "a":
        return "hide" if _is_web_link(given.get("href", "")) else None
    return _effect_of_marks(given.get("class", ""), given.get("id", ""), given.get("style", ""))


def _effect_of_marks(classes: str, identifier: str, style: str) -> Effect | None:
    if _CUTS.match(identifier) or _CUT_CLASSES.search(classes) or _RULED.search(style):
        return "cut"
    if _ATTRIBUTED.search(classes):
        return "attribution"
    if _QUOTES.search(classes) or _QUOTES.search(identifier):
        return "quote"
    is_signature = _SIGNATURES.search(classes) or _SIGNATURE_IDS.match(identifier)
    return "hide" if is_signature or _UNDISPLAYED.search(style) else None


def _attributes(text: str) -> dict[str, str]:
    return {
        name.lower(): html.unescape(double or single or bare)
        for name, double, single, bare in _ATTRIBUTE.findall(text[:_ATTRIBUTE_CHARS_MAX])
    }


def _is_web_link(target: str) -> bool:
    return bool(_WEB_LINK.match(target))
