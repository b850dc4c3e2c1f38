"""Reading a page as a browser would, as far as the tests ask."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "hr", "img", "circle", "path"}


@dataclass
class Element:
    tag: str
    attributes: dict
    children: list = field(default_factory=list)

    @property
    def text(self):
        """All text within, its white space made single."""
        words = (one if isinstance(one, str) else one.text for one in self.children)
        return " ".join("".join(words).split())

    def all(self, *tags):
        """Every element of these tags within, in order."""
        for child in self.children:
            if isinstance(child, Element):
                if not tags or child.tag in tags:
                    yield child
                yield from child.all(*tags)

    def one(self, tag):
        """The only element of this tag within."""
        [found] = self.all(tag)
        return found

    @property
    def hidden_fields(self):
        """The names and values of a form's hidden fields."""
        return {
            one.attributes["name"]: one.attributes["value"]
            for one in self.all("input")
            if one.attributes["type"] == "hidden"
        }


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.root = Element("#document", {})
        self.open = [self.root]

    def handle_starttag(self, tag, attrs):
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()

    def handle_data(self, data):
        self.open[-1].children.append(data)


def read_html(html):
    """Read a page; a tag that is not closed, or closed wrongly, fails the test."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == [reader.root], "not every tag is closed"
    return reader.root
