import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.system.proxies import HOST, PROXIES, Proxy, Upstream, opened, send, upstream

TOKEN = "TYoHYNPrXJPlxZxOz62iCvbWkrWdmtGBoRlox6NkRVFo4Ug"
ONE_CLICK = b"List-Unsubscribe=One-Click"
PATHS = [
    f"/u/{TOKEN}",
    f"/u/{TOKEN}/",
    "/u/a%2Fb%2fc",
    "/u/a%7eb~c%7E",
    "/u/a+b%2Bc%20d",
    "/u//a///b",
    "/u/%C3%A9%c3%a9",
    "/hooks/twilio/messages?x=a+b&y=%7E%2f&z=a%20b&&",
    "/hooks/twilio/messages?From=%2B12025550123&Body=%22",
    "/hooks/twilio//messages?bodySHA256=0a",
    "/v1/brands/acme/suppressions?after=AA-__==&size=10",
]


@pytest.fixture(scope="module")
async def behind() -> AsyncIterator[Upstream]:
    async with upstream() as one:
        yield one


@pytest.fixture(scope="module", params=sorted(PROXIES))
async def proxy(request, tmp_path_factory, behind) -> AsyncIterator[Proxy]:
    folder = tmp_path_factory.mktemp(request.param)
    async with PROXIES[request.param](folder, behind.port) as one:
        yield one


@pytest.fixture
def seen(behind):
    behind.seen.clear()
    return behind.seen


@pytest.mark.parametrize("path", PATHS)
async def test_the_path_and_the_query_arrive_byte_for_byte(proxy, seen, path):
    status, _ = await send(proxy.https_port, f"POST {path}", body=b"x")
    assert (status, seen[0].raw_path) == (200, path)


async def test_the_body_and_the_headers_that_matter_arrive_as_sent(proxy, seen):
    headers = (
        "X-Twilio-Signature: 0/KCTR6DLpKmkAf8muzZqo1nDgQ=\r\n"
        "Authorization: Bearer psk_1\r\nIdempotency-Key: k-1\r\n"
        "Content-Type: multipart/form-data; boundary=---FormBoundaryjWmhtjORrn\r\n"
    )
    await send(proxy.https_port, "POST /hooks/twilio/messages", headers=headers, body=ONE_CLICK)
    [one] = seen
    assert one.body == ONE_CLICK
    assert headers.splitlines() == [
        f"{name}: {one.headers[name]}"
        for name in ("X-Twilio-Signature", "Authorization", "Idempotency-Key", "Content-Type")
    ]
    assert one.headers["Host"] == HOST


@pytest.mark.parametrize("path", [f"/u/{TOKEN}", f"/u/{TOKEN}/", "/hooks/twilio/messages?a=b+c"])
async def test_a_post_over_plain_http_is_passed_on_and_not_redirected(proxy, seen, path):
    status, headers = await send(proxy.http_port, f"POST {path}", body=ONE_CLICK, is_tls=False)
    assert (status, seen[0].raw_path, seen[0].body) == (200, path, ONE_CLICK)
    assert "location" not in headers


async def test_a_reader_of_a_links_page_is_sent_to_https(proxy, seen):
    status, headers = await send(proxy.http_port, "GET /u/a%2Fb+c//d?e=%7e", is_tls=False)
    assert (status, headers["location"]) == (308, f"https://{HOST}/u/a%2Fb+c//d?e=%7e")
    assert not seen


async def test_an_api_key_sent_in_the_clear_is_refused(proxy, seen):
    status, headers = await send(proxy.http_port, "POST /v1/brands/acme/check", is_tls=False)
    assert status == 403
    assert "location" not in headers
    assert not seen


async def test_metrics_are_not_for_the_world(proxy, seen):
    status, _ = await send(proxy.https_port, "GET /metrics")
    assert status == 404
    assert not seen


@pytest.mark.parametrize("is_tls", [True, False])
async def test_an_opt_out_with_a_body_of_ten_megabytes_is_passed_on(proxy, seen, is_tls):
    port, body = (proxy.https_port if is_tls else proxy.http_port), b"x" * 10_000_000
    status, _ = await send(port, f"POST /u/{TOKEN}", body=body, is_tls=is_tls)
    assert (status, seen[0].body[:4]) == (200, b"xxxx")


async def test_a_bulk_body_is_passed_on_whole(proxy, seen):
    body = b"x" * 8_000_000
    status, _ = await send(proxy.https_port, "POST /v1/brands/acme/links", body=body)
    assert (status, len(seen[0].body)) == (200, len(body))


async def test_a_feeds_first_line_is_not_held_back(proxy, behind):
    behind.may_end.clear()
    reader, writer = await opened(proxy.https_port, "GET /v1/brands/acme/feed?wait=60")
    async with asyncio.timeout(20):
        await reader.readuntil(b"first line\n")
        behind.may_end.set()
        await reader.readuntil(b"last line\n")
    writer.close()


@pytest.mark.parametrize("kind", sorted(PROXIES))
@pytest.mark.parametrize("prefix", ["/u/", "//u/", "/U/", "/%75/", "/u//", "/u/?"])
async def test_no_token_is_logged_whether_prefsvc_answers_or_not(kind, prefix, tmp_path, behind):
    (up := tmp_path / "up").mkdir()
    async with PROXIES[kind](up, behind.port) as proxy:
        await _request_in_every_way(proxy, f"{prefix}{TOKEN}")
    (down := tmp_path / "down").mkdir()
    async with PROXIES[kind](down, 9) as without_upstream:
        status, _ = await send(without_upstream.https_port, f"POST /u/{TOKEN}", body=ONE_CLICK)
        assert status == 502
        await _request_in_every_way(without_upstream, f"{prefix}{TOKEN}")
    assert TOKEN not in proxy.logged() + without_upstream.logged()
    assert '"POST /u/-" 200' in proxy.logged() or '"status":200' in proxy.logged()


async def _request_in_every_way(proxy: Proxy, path: str) -> None:
    for method in ("GET", "POST"):
        await send(
            proxy.https_port, f"{method} {path}", headers=f"Referer: https://{HOST}{path}\r\n"
        )
        await send(proxy.http_port, f"{method} {path}", is_tls=False)
