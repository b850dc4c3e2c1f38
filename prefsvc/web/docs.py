"""The contract and its page: openapi.yaml as it is, as JSON, and as a page to read."""

import asyncio
from functools import cache
from importlib import resources
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import msgspec
import yaml
from aiohttp import web

if TYPE_CHECKING:
    from functools import _lru_cache_wrapper

from prefsvc.web.docs_page import Problem, problems_of, render_docs
from prefsvc.web.html_page import Page, in_pieces, page_response
from prefsvc.web.pages import LANGUAGE_PARAMETER, Frame, HomePage, render
from prefsvc.web.problems import FAULTS, STATUS
from prefsvc.wording.texts import TEXTS, accepted_languages, page_language


@cache
def contract_text() -> str:
    """Return openapi.yaml: inside the installed package, or at the top of a checkout."""
    shipped = resources.files("prefsvc") / "openapi.yaml"
    if shipped.is_file():
        return shipped.read_text("utf-8")
    return (Path(__file__).resolve().parents[2] / "openapi.yaml").read_text("utf-8")


@cache
def contract() -> dict[str, Any]:
    """Return the document, parsed."""
    document: dict[str, Any] = yaml.safe_load(contract_text())
    return document


@cache
def _page() -> Page:
    faults = [Problem(code, status, sentence) for status, code, sentence in FAULTS]
    return render_docs(contract(), [*problems_of(STATUS), *faults])


@cache
def _yaml() -> bytes:
    return contract_text().encode()


@cache
def _json() -> bytes:
    return msgspec.json.encode(contract())


@cache
def _html() -> bytes:
    return _page().html.encode()


_making: Final = Lock()


async def _made(make: "_lru_cache_wrapper[bytes]") -> bytes:
    """Return what takes long to make, which one thread does once, beside the event loop."""

    def alone() -> bytes:
        with _making:
            return make()

    return make() if make.cache_info().currsize else await asyncio.to_thread(alone)


async def get_openapi_yaml(_: web.Request) -> web.Response:
    """GET /openapi.yaml."""
    body = in_pieces(_yaml())
    return web.Response(body=body, content_type="application/yaml", charset="utf-8")


async def get_openapi_json(_: web.Request) -> web.Response:
    """GET /openapi.json."""
    return web.Response(body=in_pieces(await _made(_json)), content_type="application/json")


async def get_docs(_: web.Request) -> web.Response:
    """GET /docs: a megabyte, made once and beside the event loop, and sent as it is read."""
    return page_response(_page(), body=in_pieces(await _made(_html)))


async def get_home(request: web.Request) -> web.Response:
    """GET /."""
    accepted = accepted_languages(request.headers.get("Accept-Language"))
    language = page_language([request.query.get(LANGUAGE_PARAMETER), *accepted])
    return page_response(render(HomePage(frame=Frame(language=language, languages=tuple(TEXTS)))))
