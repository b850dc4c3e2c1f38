"""HTML pages and the headers they go out with: nothing from elsewhere, no script, no cookie.

A page carries its style sheet inside itself, named in the policy by its hash: it needs no second
request, and it works wherever only the link's own path is let through to prefsvc.
"""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from prefsvc.web.colours import NIGHT, PAPER, readable

ENVIRONMENT: Final = Environment(
    loader=PackageLoader("prefsvc.web"),
    autoescape=True,
    undefined=StrictUndefined,
    auto_reload=False,  # templates are part of the package
    trim_blocks=True,
    lstrip_blocks=True,
)

FIXED_HEADERS: Final = {
    # RULES E-22: the link's token stays between this page and its reader.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_PIECE_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Style:
    """A style sheet, and the hash by which a policy allows it and no other."""

    css: Markup
    csp_hash: str


@dataclass(frozen=True, slots=True)
class Page:
    """A whole HTML document, its language, and the style it carries."""

    html: str
    language: str
    style: Style

    @property
    def content_security_policy(self) -> str:
        """What the page may load and do: its own style, its icon, its forms to this service."""
        return (
            f"default-src 'none'; style-src '{self.style.csp_hash}'; img-src data:; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )


@lru_cache(maxsize=256)
def style(sheet: str, accent: str) -> Style:
    """Return one of the package's style sheets with an accent, readable in the light and dark."""
    own = resources.files("prefsvc.web").joinpath("static", sheet).read_text("utf-8")
    light, dark = readable(accent, on=PAPER), readable(accent, on=NIGHT)
    css = f":root{{--accent-light:{light};--accent-dark:{dark}}}\n{own}"
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    # The sheet is ours and an accent is six digits, or the line above has raised.
    return Style(Markup(css), f"sha256-{digest}")  # noqa: S704


def page_response(
    page: Page, *, status: int = 200, body: AsyncIterator[bytes] | None = None
) -> web.Response:
    """Answer with a page: stored by nobody, indexed by nobody, framed by nobody.

    A `body` is what is already encoded of a large one, which then leaves piece by piece.
    """
    return web.Response(
        status=status,
        body=body or page.html.encode(),
        content_type="text/html",
        charset="utf-8",
        headers={
            **FIXED_HEADERS,
            "Content-Language": page.language,
            "Content-Security-Policy": page.content_security_policy,
        },
    )


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Yield a large body as its reader takes it: else every slow reader would have a copy."""
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
