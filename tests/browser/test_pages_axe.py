"""The public pages in a real Chromium: WCAG 2.2 AA by axe, reflow, and a way without scripts."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from prefsvc.web.docs_page import problems_of, render_docs
from prefsvc.web.html_page import page_response
from prefsvc.web.pages import Look, Subject, render
from prefsvc.web.problems import STATUS
from tests.support.page_cast import LANGUAGES, confirm, done, every_page, undone

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.async_playwright", reason="axe is not installed")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE_OPTIONS = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": RULES}}

LONG = "Wollenschläger-Fürstenberg & Töchter Handelsgesellschaft"
UNBROKEN = "Sommerschlussverkaufsvorankündigungsnewsletter"
EXTREMES = {
    "long": confirm(
        "de",
        look=Look(name=LONG, accent="#ffe600"),
        subject=Subject(
            covered="topic", channel="email", masked_address="a***@" + "e" * 60, topic=UNBROKEN
        ),
    ),
    "yellow": done(look=Look(name="Acme", accent="#ffff00")),
    "white": done(look=Look(name="Acme", accent="#ffffff")),
    "black": confirm(look=Look(name="Acme", accent="#000000")),
}
PAGES = {
    **{f"{name}-{code}": view for code in LANGUAGES for name, view in every_page(code).items()},
    **EXTREMES,
}
DOCUMENTS = {
    "sample": Path(__file__).parents[1] / "support" / "openapi_sample.yaml",
    "contract": Path(__file__).parents[2] / "openapi.yaml",
}


@dataclass
class Site:
    """The pages on a server, as the link door answers, and every request that came."""

    requests: list = field(default_factory=list)

    async def get(self, request):
        self.requests.append(("GET", str(request.rel_url), {}))
        return page_response(render(PAGES[request.match_info["name"]]))

    async def docs(self, request):
        document = yaml.safe_load(DOCUMENTS[request.match_info["name"]].read_text("utf-8"))
        return page_response(render_docs(document, problems_of(STATUS)))

    async def post(self, request):
        await self._note(request)
        return page_response(render(done()))

    async def undo(self, request):
        await self._note(request)
        return page_response(render(undone()))

    async def _note(self, request):
        body = dict(await request.post())
        self.requests.append(("POST", str(request.rel_url), body))


@pytest.fixture(scope="module")
async def site():
    site = Site()
    app = web.Application()
    app.add_routes(
        [
            web.get("/docs/{name}", site.docs),
            web.post("/u/one", site.post),
            web.post("/u/one/undo", site.undo),
            web.get("/{name}", site.get),
            web.post("/{name}", site.post),
        ]
    )
    async with TestServer(app) as server:
        site.url = f"http://{server.host}:{server.port}"
        yield site


@pytest.fixture(scope="module")
async def browser():
    async with playwright.async_playwright() as driver:
        chromium = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest.fixture(scope="module")
async def tab(browser):
    """A tab that remembers what the browser complained of."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    tab = await context.new_page()
    tab.complaints = []
    tab.on("console", lambda message: tab.complaints.append(message.text))
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    yield tab
    await context.close()


@pytest.fixture
async def without_scripts(browser, site):
    context = await browser.new_context(java_script_enabled=False)
    site.requests.clear()
    yield await context.new_page()
    await context.close()


async def violations(tab):
    results = await axe.Axe().run(tab, options=AXE_OPTIONS)
    return [
        f"{one['id']}: {node['html']}"
        for one in results.response["violations"]
        for node in one["nodes"]
    ]


async def look_at(tab, url, *, width=1280, scheme="light"):
    tab.complaints.clear()
    await tab.set_viewport_size({"width": width, "height": 800})
    await tab.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await tab.goto(url)


async def overflow(tab):
    """Return by how much a page is wider than the window, and what is cut off inside it."""
    return await tab.evaluate(
        """() => [
            document.documentElement.scrollWidth - innerWidth,
            ...[...document.querySelectorAll("body *:not(details:not([open]) *)")]
                .filter(e => e.getBoundingClientRect().right > innerWidth + 1
                    || e.getBoundingClientRect().left < -1)
                .filter(e => !e.matches(".skip"))
                .map(e => e.outerHTML.slice(0, 80)),
        ]"""
    )


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_has_no_violation_and_reflows(tab, site, name):
    await look_at(tab, f"{site.url}/{name}")
    assert await violations(tab) == []
    await tab.set_viewport_size({"width": 320, "height": 640})
    assert await overflow(tab) == [0]
    assert tab.complaints == []


@pytest.mark.parametrize("name", [*every_page("en"), "yellow", "white", "black"])
async def test_a_page_has_no_violation_in_the_dark_on_a_phone(tab, site, name):
    path = name if name in EXTREMES else f"{name}-en"
    await look_at(tab, f"{site.url}/{path}", width=360, scheme="dark")
    assert await violations(tab) == []


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("sample", 1500, "light"),
        ("sample", 1100, "dark"),
        ("sample", 320, "light"),
        ("contract", 1100, "light"),
    ],
)
async def test_the_documentation_has_no_violation_and_reflows(tab, site, name, width, scheme):
    await look_at(tab, f"{site.url}/docs/{name}", width=width, scheme=scheme)
    assert await violations(tab) == []
    assert await overflow(tab) == [0]
    assert tab.complaints == []


async def test_the_open_menu_of_languages_has_no_violation_and_stays_on_a_small_screen(tab, site):
    await look_at(tab, f"{site.url}/confirm_topic-en", width=320)
    await tab.locator("summary").click()
    assert await violations(tab) == []
    assert await overflow(tab) == [0]
    await tab.get_by_role("link", name="العربية").click()
    assert tab.url == f"{site.url}/confirm_topic-en?lang=ar"


async def test_text_may_be_twice_as_large_and_spaced_out(tab, site):
    """WCAG 1.4.4 and 1.4.12."""
    await look_at(tab, f"{site.url}/done_topic-de", width=640)
    await tab.evaluate(
        """() => {
            document.documentElement.style.fontSize = "200%";
            for (const e of document.querySelectorAll("body *"))
                e.style.cssText += "line-height:1.5;letter-spacing:.12em;word-spacing:.16em";
        }"""
    )
    assert await overflow(tab) == [0]
    clipped = await tab.evaluate(
        """() => [...document.querySelectorAll("button")]
            .filter(e => e.scrollHeight > e.clientHeight + 1).length"""
    )
    assert clipped == 0


@pytest.mark.parametrize("width", [320, 1280])
async def test_what_can_be_pressed_is_48_pixels_high(tab, site, width):
    await look_at(tab, f"{site.url}/done_topic-en", width=width)
    heights = [(await one.bounding_box())["height"] for one in await tab.locator("button").all()]
    await tab.goto(f"{site.url}/confirm_topic-en")
    await tab.locator("summary").click()
    pressable = await tab.locator("button, summary, nav a").all()
    heights += [(await one.bounding_box())["height"] for one in pressable]
    assert len(heights) == 2 + 2 + len(LANGUAGES)
    assert min(heights) >= 48


async def test_the_focus_can_be_seen_on_the_button_and_enter_presses_it(tab, site):
    await look_at(tab, f"{site.url}/confirm_topic-en")
    button = tab.get_by_role("button", name="Unsubscribe")
    for _ in range(3):
        await tab.keyboard.press("Tab")
        if await button.evaluate("e => e === document.activeElement"):
            break
    outline = await button.evaluate("e => getComputedStyle(e).outlineWidth")
    assert outline == "3px"
    site.requests.clear()
    await tab.keyboard.press("Enter")
    await tab.get_by_role("status").wait_for()
    assert site.requests == [("POST", "/confirm_topic-en", {"nonce": "nonce-1"})]


async def test_opening_a_page_posts_nothing(tab, site):
    site.requests.clear()
    await look_at(tab, f"{site.url}/confirm_topic-en")
    await tab.wait_for_load_state("networkidle")
    assert site.requests == [("GET", "/confirm_topic-en", {})]


async def test_the_whole_way_works_without_scripts(without_scripts, site):
    """The button, then undo, then the button again; each is one press."""
    tab = without_scripts
    await tab.goto(f"{site.url}/confirm_topic-en?lang=en")
    await tab.get_by_role("button").click()
    assert await tab.get_by_role("heading", level=1).inner_text() == (
        "You are unsubscribed from “New arrivals”"
    )
    await tab.get_by_role("button", name="Undo").click()
    assert await tab.get_by_role("heading", level=1).inner_text() == (
        "You can get “New arrivals” again"
    )
    await tab.get_by_role("button", name="Unsubscribe").click()
    await tab.get_by_role("status").wait_for()
    assert [one for one in site.requests if one[0] == "POST"] == [
        ("POST", "/confirm_topic-en?lang=en", {"nonce": "nonce-1"}),
        ("POST", "/u/one/undo", {"ticket": "ticket-1"}),
        ("POST", "/u/one", {"nonce": "nonce-1"}),
    ]


async def test_everything_can_be_stopped_without_scripts(without_scripts, site):
    tab = without_scripts
    await tab.goto(f"{site.url}/done_topic-en")
    await tab.get_by_role("button", name="Stop everything").click()
    await tab.get_by_role("status").wait_for()
    assert site.requests[-1] == (
        "POST", "/done_topic-en", {"nonce": "nonce-1", "everything": "1"}
    )  # fmt: skip


async def test_a_browser_asks_for_nothing_but_the_page_and_keeps_no_cookie(browser, site):
    context = await browser.new_context()
    tab = await context.new_page()
    asked = []
    tab.on("request", lambda request: asked.append((request.method, request.url)))
    await tab.goto(f"{site.url}/confirm_topic-fr")
    await tab.wait_for_load_state("networkidle")
    assert [one for one in asked if not one[1].startswith("data:")] == [
        ("GET", f"{site.url}/confirm_topic-fr")
    ]
    assert await context.cookies() == []
    await context.close()
