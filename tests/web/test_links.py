"""The link door: one click in every shape, the page, undo. RULES E-11 to E-22, X-01 to X-04."""

import asyncio
import gzip
import io
import json
import re
from html import unescape

import aiohttp
import pytest

from prefsvc import links
from prefsvc.links import Link
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import check, say_stop

ONE_CLICK = b"List-Unsubscribe=One-Click"
RFC_8058_EXAMPLE = (
    b"-----FormBoundaryjWmhtjORrn\r\n"
    b'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'
    b"-----FormBoundaryjWmhtjORrn--\r\n"
)
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
# As printed in RFC 8058 8.3: the delimiter lines lack the two dashes that the boundary needs.
BROKEN_MULTIPART = {"Content-Type": "multipart/form-data; boundary=---FormBoundaryjWmhtjORrn"}


@pytest.fixture
def mint(service):
    def made(address=ANN, *, brand="acme", channel="email", **more):
        token = links.seal(service.book.keyring.key(brand), Link(channel, address, **more))
        return f"/u/{token}"

    return made


@pytest.fixture
def is_suppressed(client, keys):
    async def asked(address=ANN, *, channel="email", **more):
        key = keys.texter if channel == "sms" else keys.mailer
        reply = await client.post(
            "/v1/brands/acme/check", headers=key, json={"addresses": [address], **more}
        )
        [result] = (await reply.json())["results"]
        return not result["may_send"]

    return asked


def field(html, name):
    match = re.search(rf'name="{name}" value="([^"]*)"', html)
    return unescape(match[1]) if match else None


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param(URLENCODED, ONE_CLICK, id="as Gmail posts, 26 bytes"),
        pytest.param(
            {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            ONE_CLICK,
            id="charset",
        ),
        pytest.param(
            {"Content-Type": "multipart/form-data; boundary=-FormBoundaryjWmhtjORrn"},
            b'---FormBoundaryjWmhtjORrn\r\nContent-Disposition: form-data; name="List-Unsubscribe"'
            b"\r\n\r\nOne-Click\r\n---FormBoundaryjWmhtjORrn--\r\n",
            id="multipart",
        ),
        pytest.param(BROKEN_MULTIPART, RFC_8058_EXAMPLE, id="RFC 8058's own broken multipart"),
        pytest.param({}, b"", id="empty body, no content type"),
        pytest.param({"Content-Type": "text/plain"}, ONE_CLICK, id="text/plain"),
        pytest.param({"Content-Type": "application/json"}, b'{"broken', id="broken JSON"),
        pytest.param({"Content-Type": ";;;"}, b"\xff\x00\xfe", id="garbage"),
        pytest.param(
            {**URLENCODED, "Content-Encoding": "gzip"}, gzip.compress(ONE_CLICK), id="gzip"
        ),
        pytest.param(
            {**URLENCODED, "Content-Encoding": "gzip"}, b"no gzip at all", id="broken gzip"
        ),
        pytest.param(URLENCODED, io.BytesIO(b"x" * 10_000_000), id="10 MB"),
        pytest.param(
            {**URLENCODED, "Expect": "100-continue"}, ONE_CLICK, id="Expect: 100-continue"
        ),
        pytest.param(
            {**URLENCODED, "Cookie": "session=of-somebody-else", "Origin": "https://example.org"},
            ONE_CLICK,
            id="somebody's cookie",
        ),
    ],
)
async def test_a_post_in_any_shape_opts_out(client, mint, is_suppressed, headers, body):
    reply = await client.post(mint(), data=body, headers=headers, allow_redirects=False)
    assert reply.status == 200
    assert "Location" not in reply.headers
    assert "Set-Cookie" not in reply.headers
    assert await is_suppressed()
    assert not await is_suppressed(BOB)


async def test_a_chunked_post_opts_out(client, mint, is_suppressed):
    async def chunks():
        for byte in ONE_CLICK:
            yield bytes([byte])

    reply = await client.post(mint(), data=chunks(), headers=URLENCODED)
    assert reply.status == 200
    assert await is_suppressed()


async def test_a_body_that_never_comes_does_not_hold_the_opt_out_up(client, mint, is_suppressed):
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"POST {mint()} HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n".encode())
    status = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert b" 200 " in status
    assert await is_suppressed()


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PROPFIND", "PUT", "DELETE"])
async def test_nothing_but_post_changes_anything(client, mint, is_suppressed, method, service):
    for _ in range(5):
        reply = await client.request(method, mint() + "?confirm=1&List-Unsubscribe=One-Click")
        assert reply.status < 500
    assert not await is_suppressed()
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 0


async def test_no_scanner_changes_anything_by_looking(client, mint, service, corpora):
    agents = [
        agent
        for crawler in json.loads((corpora / "scanners/crawler-user-agents.json").read_text())
        for agent in crawler.get("instances", [])[:1]
    ]
    for agent in agents:
        headers = {"User-Agent": agent.encode("ascii", "ignore").decode()}
        assert (await client.get(mint(), headers=headers)).status == 200
        assert (await client.head(mint(), headers=headers)).status == 200
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 0
    reply = await client.post(mint(), data=ONE_CLICK, headers=URLENCODED | headers)
    assert reply.status == 200


async def test_a_slash_that_was_added_does_not_matter(client, mint, is_suppressed):
    url = mint().replace("/u/", "/u/") + "/"
    reply = await client.post(url, data=ONE_CLICK, headers=URLENCODED, allow_redirects=False)
    assert reply.status == 200
    assert await is_suppressed()


async def test_percent_encoding_a_letter_of_the_link_does_not_matter(client, mint, is_suppressed):
    from yarl import URL  # noqa: PLC0415

    path = mint()
    coded = URL(
        str(client.make_url("/")).rstrip("/") + path[:5] + f"%{ord(path[5]):02X}" + path[6:],
        encoded=True,
    )
    async with aiohttp.ClientSession() as session, session.post(coded, data=ONE_CLICK) as reply:
        assert reply.status == 200
    assert await is_suppressed()


async def test_one_changed_letter_anywhere_is_refused_and_changes_nothing(client, mint, service):
    path = mint()
    token = path.removeprefix("/u/")
    for place, letter in enumerate(token):
        other = "A" if letter != "A" else "B"
        forged = f"/u/{token[:place]}{other}{token[place + 1 :]}"
        assert (await client.post(forged, data=ONE_CLICK)).status == 404
    for forged in (token[:-1], token + "A", token + "=", "x" * 3000, "%00", "a/b"):
        reply = await client.post(f"/u/{forged}", data=ONE_CLICK)
        assert reply.status in {400, 404}, forged
        assert token not in await reply.text()
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 0


async def test_one_click_stops_exactly_what_the_link_says(client, mint, is_suppressed):
    await client.post(mint(topic="news", mailshot="2026-47"), data=ONE_CLICK)
    assert await is_suppressed(topic="news")
    assert not await is_suppressed(topic="offers")
    assert not await is_suppressed()


async def test_a_topic_that_is_gone_stops_all_mail_instead(client, mint, is_suppressed):
    reply = await client.post(mint(topic="spring-2019"), data=ONE_CLICK)
    assert reply.status == 200
    assert await is_suppressed(topic="offers")


async def test_order_mails_go_on(client, mint, is_suppressed):
    await client.post(mint(), data=ONE_CLICK)
    assert not await is_suppressed(topic="orders")
    assert not await is_suppressed(message_class="transactional")
    assert not await is_suppressed(message_class="service")


async def test_a_thousand_presses_are_one_opt_out(client, mint, service):
    replies = await asyncio.gather(*[client.post(mint(), data=ONE_CLICK) for _ in range(100)])
    assert {reply.status for reply in replies} == {200}
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 1


async def test_a_link_of_a_retired_brand_still_works(client, mint, service):
    from prefsvc import brands  # noqa: PLC0415

    async with service.database.transaction() as tx:
        await brands.retire(tx, "acme")
    await service.refresh_book()
    assert (await client.post(mint(), data=ONE_CLICK)).status == 200
    assert await service.database.pool.fetchval("select count(*) from suppression") == 1


async def test_the_page_says_what_will_stop_by_when_and_the_button_does_it(
    client, mint, is_suppressed, service
):
    page = await (await client.get(mint(topic="news"))).text()
    assert "News" in page
    assert "a***@e***.org" in page
    assert ANN not in page
    assert len(re.findall(r"<button", page)) == 1
    assert "<script" not in page
    nonce = field(page, "nonce")
    done = await client.post(mint(topic="news"), data={"nonce": nonce})
    assert done.status == 200
    assert await is_suppressed(topic="news")
    source = await service.database.pool.fetchval("select source from preference_event")
    assert source == "link"


async def pressed(client, link):
    """Press the button as a person does who sees the page, and return the next one."""
    return await (await client.post(link, headers={"Accept": "text/html"})).text()


async def test_a_mail_program_that_clicks_is_answered_in_one_line(client, mint, is_suppressed):
    reply = await client.post(mint(), data=ONE_CLICK)
    assert (reply.status, reply.content_type) == (200, "text/plain")
    text = await reply.text()
    assert re.fullmatch(r"Unsubscribed\. Receipt: [0-9a-f-]{36}\n", text)
    assert "Set-Cookie" not in reply.headers
    assert await is_suppressed()


async def test_a_person_whose_browser_clicks_sees_the_page(client, mint):
    accept = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
    reply = await client.post(mint(), data=ONE_CLICK, headers=accept)
    assert (reply.status, reply.content_type) == (200, "text/html")


async def test_the_success_page_offers_everything_too(client, mint, is_suppressed):
    done = await pressed(client, mint(topic="news"))
    await client.post(mint(topic="news"), data={"nonce": field(done, "nonce"), "everything": "1"})
    assert await is_suppressed(topic="offers")


async def test_undo_takes_back_what_the_page_has_just_done(client, mint, is_suppressed):
    done = await pressed(client, mint())
    ticket = field(done, "ticket")
    reply = await client.post(mint() + "/undo", data={"ticket": ticket})
    assert reply.status == 200
    assert not await is_suppressed()


async def test_undo_is_a_post(client, mint, is_suppressed):
    done = await pressed(client, mint())
    reply = await client.get(mint() + "/undo", params={"ticket": field(done, "ticket")})
    assert reply.status == 405
    assert await is_suppressed()


async def test_undo_ends_after_its_minutes(client, mint, is_suppressed, clock, settings):
    done = await pressed(client, mint())
    clock.move(minutes=settings.undo_minutes + 1)
    reply = await client.post(mint() + "/undo", data={"ticket": field(done, "ticket")})
    assert reply.status == 409
    assert await is_suppressed()


async def test_an_older_opt_out_is_not_this_pages_to_undo(client, mint, is_suppressed):
    await client.post(mint(), data=ONE_CLICK)
    again = await (await client.post(mint(), data=ONE_CLICK)).text()
    assert field(again, "ticket") is None
    assert await is_suppressed()


async def test_an_older_opt_out_that_falls_due_earlier_by_a_click_is_not_its_pages_to_undo(
    client, keys, mint, is_suppressed
):
    first = await say_stop(client, keys, ANN)
    done = await pressed(client, mint(country="NZ"))
    [verdict] = await check(client, keys.mailer, ANN)
    assert verdict["deadline_at"] < first["deadline_at"]
    assert field(done, "ticket") is None
    assert await is_suppressed()


async def test_a_ticket_of_another_link_undoes_nothing(client, mint, is_suppressed):
    await client.post(mint(BOB), data=ONE_CLICK)
    done = await pressed(client, mint())
    reply = await client.post(mint(BOB) + "/undo", data={"ticket": field(done, "ticket")})
    assert reply.status == 409
    assert await is_suppressed(BOB)


@pytest.mark.parametrize(
    "address",
    [
        '"john doe"@example.org', "user@[192.0.2.1]", "da..me@example.org", "user@müller.example",
        "josé@example.org", "user@localhost", "a" * 64 + "@example.org",
    ],
)  # fmt: skip
async def test_an_odd_address_is_honoured(client, mint, is_suppressed, address):
    assert (await client.post(mint(address), data=ONE_CLICK)).status == 200
    assert await is_suppressed(address)


async def test_the_page_keeps_the_link_to_itself(client, mint):
    reply = await client.get(mint())
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["X-Robots-Tag"] == "noindex"
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]


async def test_the_page_speaks_the_links_language(client, mint):
    page = await (await client.get(mint(language="de"))).text()
    assert '<html lang="de"' in page


async def test_a_form_sent_at_once_is_honoured_and_flagged(client, mint, service):
    page = await (await client.get(mint())).text()
    await client.post(mint(), data={"nonce": field(page, "nonce")})
    evidence = await service.database.pool.fetchval("select content from evidence")
    assert evidence["suspected_scanner"] is True


async def test_short_links_work_in_any_case(client, keys, is_suppressed):
    body = json.dumps({"channel": "sms", "address": ANNS_PHONE, "form": "short"})
    reply = await client.post("/v1/brands/acme/links", data=body, headers=keys.texter)
    made = json.loads(await reply.text())
    assert len(made["token"]) <= 32
    assert (await client.post(f"/u/{made['token'].upper()}")).status == 200
    assert await is_suppressed(ANNS_PHONE, channel="sms")
