"""The little Markdown that the API document is written in, as HTML: nothing in it is trusted.

Paragraphs, headings, lists, fenced code, `code`, **bold**, *emphasis* and [links](https://…).
Everything else is text. Code that is exactly a known name becomes a link to where it is explained.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from markupsafe import Markup, escape

_FENCE: Final = "```"
_HEADING: Final = re.compile(r"#{1,6} +(.+)")
_ITEM: Final = re.compile(r" {0,3}(?:[-*]|[0-9]{1,3}[.)]) +(.*)")
_NUMBERED: Final = re.compile(r" {0,3}[0-9]")
_INLINE: Final = re.compile(
    r"`(?P<code>[^`]+)`"
    r"|\*\*(?P<strong>[^*]+)\*\*"
    r"|(?<![\w*])\*(?P<em>[^\s*][^*]*)\*(?!\w)"
    r"|\[(?P<label>[^\]]+)\]\((?P<href>(?:https?://|/|#)[^\s)]*)\)"
)


@dataclass(frozen=True, slots=True)
class Markdown:
    """A reader of Markdown that knows some names; `heading_level` is that of its headings."""

    links: Mapping[str, str] = field(default_factory=dict)
    heading_level: int = 4

    def html(self, text: str | None) -> Markup:
        """Return a whole text as HTML blocks."""
        return Markup("\n").join(self._block(block) for block in _blocks(text or ""))

    def inline(self, text: str | None) -> Markup:
        """Return a line of text with its code, emphasis and links."""
        text, done, at = text or "", Markup(), 0
        for match in _INLINE.finditer(text):
            done += escape(text[at : match.start()]) + self._span(match)
            at = match.end()
        return done + escape(text[at:])

    def _span(self, match: re.Match[str]) -> Markup:
        if code := match["code"]:
            shown = Markup("<code>{}</code>").format(code)
            href = self.links.get(code)
            return Markup('<a href="{}">{}</a>').format(href, shown) if href else shown
        if strong := match["strong"]:
            return Markup("<strong>{}</strong>").format(self.inline(strong))
        if em := match["em"]:
            return Markup("<em>{}</em>").format(self.inline(em))
        return Markup('<a href="{}">{}</a>').format(match["href"], self.inline(match["label"]))

    def _block(self, lines: list[str]) -> Markup:
        if lines[0].startswith(_FENCE):
            return Markup("<pre><code>{}</code></pre>").format("\n".join(lines[1:]))
        if heading := _HEADING.fullmatch(lines[0]):
            shown = self.inline(heading[1])
            return Markup("<h{0}>{1}</h{0}>").format(self.heading_level, shown)
        if _ITEM.fullmatch(lines[0]):
            return self._list(lines)
        return Markup("<p>{}</p>").format(self.inline(" ".join(lines)))

    def _list(self, lines: list[str]) -> Markup:
        items: list[str] = []
        for line in lines:
            if match := _ITEM.fullmatch(line):
                items.append(match[1])
            else:
                items[-1] += " " + line.strip()
        shown = Markup().join(Markup("<li>{}</li>").format(self.inline(item)) for item in items)
        return Markup("<{0}>{1}</{0}>").format(_kind(lines[0]), shown)


def _blocks(text: str) -> Iterator[list[str]]:
    """Part a text into blocks of lines: at blank lines, around fences, headings and lists."""
    block: list[str] = []
    for line in text.strip("\n").splitlines():
        if block and block[0].startswith(_FENCE):
            if line.strip() == _FENCE:
                yield block
                block = []
            else:
                block.append(line)
            continue
        if block and _parts_from(block, line):
            yield block
            block = []
        if line.strip():
            block.append(line)
    if block:
        yield block


def _kind(line: str) -> str:
    """Say what a line begins: one of two kinds of list, or neither."""
    if not _ITEM.fullmatch(line):
        return ""
    return "ol" if _NUMBERED.match(line) else "ul"


def _parts_from(block: list[str], line: str) -> bool:
    """Say whether a line does not belong to the block before it."""
    begins_list = bool(_ITEM.fullmatch(line)) and _kind(line) != _kind(block[0])
    return (
        not line.strip()
        or line.startswith(_FENCE)
        or begins_list
        or any(_HEADING.fullmatch(one) for one in (block[0], line))
    )
