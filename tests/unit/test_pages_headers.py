import base64
import hashlib

import pytest

from prefsvc.web.html_page import page_response, style
from prefsvc.web.pages import Look, render
from tests.support.html_reading import read_html
from tests.support.page_cast import confirm, every_page


@pytest.mark.parametrize("view", every_page("en").values(), ids=every_page("en"))
def test_a_page_goes_out_stored_by_nobody_indexed_by_nobody_and_leaking_nothing(view):
    response = page_response(render(view))
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Robots-Tag"] == "noindex"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in response.headers["Permissions-Policy"]
    assert not response.cookies


def test_the_policy_allows_the_pages_own_style_and_nothing_else():
    page = render(confirm())
    css = page.html.split("<style>")[1].split("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert page_response(page).headers["Content-Security-Policy"].split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ]


def test_the_response_says_its_status_and_language():
    response = page_response(render(confirm("fr")), status=404)
    assert response.status == 404
    assert response.headers["Content-Language"] == "fr"
    assert read_html(response.text).one("html").attributes["lang"] == "fr"


def test_an_accent_cannot_break_out_of_the_style_sheet():
    with pytest.raises(ValueError, match="colour"):
        render(confirm(look=Look(name="Acme", accent="#000;}</style><script>")))


@pytest.mark.parametrize("sheet", ["pages.css", "docs.css"])
def test_a_style_sheet_cannot_end_its_element(sheet):
    assert "<" not in style(sheet, "#123456").css
