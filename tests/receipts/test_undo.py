"""The undo that a receipt links to: the person's own press takes back what the mail did."""

import re

import pytest

from tests.mailbox.conftest import mail
from tests.mailbox.test_listener import short_token
from tests.receipts.conftest import BOX
from tests.support.cast import ANN

REMOVE = "Remove From Mailing List"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def may_mail(client, keys):
    async def asked(**more):
        body = {"addresses": [ANN], **more}
        reply = await client.post("/v1/brands/acme/check", headers=keys.mailer, json=body)
        return (await reply.json())["results"][0]["may_send"]

    return asked


@pytest.fixture
async def undo(house, client, clock, path_of):
    """Ann has left by mail; return the path of the undo in her receipt."""
    await house.sends(mail("", subject=REMOVE, to=BOX))
    [taken] = await house.relay.wait_for(1)
    return path_of(taken)


@pytest.fixture
def press(client, clock):
    """Open the page, read it for a while, press its button."""

    async def pressed(path, *, after_seconds=5, **form):
        page = await client.get(path)
        assert page.status == 200, await page.text()
        nonce = re.search(r'name="nonce" value="([^"]+)"', await page.text())[1]
        clock.move(seconds=after_seconds)
        return await client.post(path, data={"nonce": nonce} | form)

    return pressed


async def test_one_press_on_its_page_takes_back_what_the_mail_did(house, undo, press, may_mail):
    assert not await may_mail()
    done = await press(undo)
    assert done.status == 200
    assert "You can get" in await done.text()
    assert await may_mail()
    row = await house.service.database.pool.fetchrow(
        "select source, content from preference_event join evidence using (bucket, event_id)"
        " where act = 'opt_in'"
    )
    assert row["source"] == "undo"
    assert row["content"]["seconds_on_page"] == 5


async def test_the_page_says_what_was_stopped_and_shows_no_address(client, undo):
    text = await (await client.get(undo)).text()
    assert "You are unsubscribed from all" in text
    assert ANN not in text
    assert text.count("<form") == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whoever_only_looks_takes_back_nothing(client, undo, may_mail, method):
    for _ in range(3):
        assert (await client.request(method, undo)).status == 200
        assert (await client.request(method, undo, params={"nonce": "x"})).status == 200
    assert not await may_mail()


async def test_what_is_pressed_before_anybody_can_have_read_it_is_no_press(undo, press, may_mail):
    again = await press(undo, after_seconds=1)
    assert again.status == 200
    assert 'name="nonce"' in await again.text()
    assert not await may_mail()


@pytest.mark.parametrize("form", [{}, {"nonce": ""}, {"nonce": "made-up"}, ONE_CLICK])
async def test_a_post_without_the_pages_nonce_takes_back_nothing(client, undo, may_mail, form):
    reply = await client.post(undo, data=form)
    assert reply.status == 200
    assert 'name="nonce"' in await reply.text()
    assert not await may_mail()


async def test_a_page_that_stood_open_for_long_is_shown_again(undo, press, may_mail, settings):
    reply = await press(undo, after_seconds=60 * settings.undo_minutes + 1)
    assert reply.status == 200
    assert not await may_mail()
    assert (await press(undo)).status == 200
    assert await may_mail()


async def test_pressing_twice_is_pressing_once(house, undo, press, may_mail):
    assert (await press(undo)).status == 200
    assert (await press(undo)).status == 200
    assert await may_mail()
    opt_ins = "select count(*) from preference_event where act = 'opt_in'"
    assert await house.value(opt_ins) == 1


async def test_after_its_days_it_is_too_late(client, undo, press, clock, may_mail):
    clock.move(days=8, seconds=-60)
    assert (await client.get(undo)).status == 200
    clock.move(seconds=120)
    assert (await client.get(undo)).status == 409
    assert (await client.post(undo)).status == 409
    assert not await may_mail()


@pytest.fixture
def stops_again(client, keys, clock):
    """Ann presses the button of another mail, some minutes later."""

    async def stopped():
        clock.move(minutes=5)
        await client.post(f"/u/{await short_token(client, keys)}", data=ONE_CLICK)

    return stopped


async def test_a_stop_by_another_way_meanwhile_is_not_the_mails_to_take_back(
    undo, press, stops_again, may_mail
):
    await stops_again()
    reply = await press(undo)
    assert reply.status == 409
    assert not await may_mail()


async def test_a_stop_after_the_undo_is_not_taken_back_by_the_old_mail(
    undo, press, stops_again, may_mail
):
    await press(undo)
    await stops_again()
    assert (await press(undo)).status == 409
    assert not await may_mail()


async def test_what_stood_for_another_reason_or_scope_stays(client, keys, undo, press, may_mail):
    said = {"channel": "email", "address": ANN, "source": "api", "evidence": {"call": "1"}}
    for more in ({"scope": "topic", "topic": "news"}, {"reason": "complaint", "scope": "brand"}):
        reply = await client.post(
            "/v1/brands/acme/opt-outs", headers=keys.operator, json=said | more
        )
        assert reply.status == 201, await reply.text()
    assert (await press(undo)).status == 200
    assert not await may_mail(topic="news")
    assert not await may_mail()  # the complaint


async def test_a_forged_or_another_links_ticket_takes_back_nothing(client, keys, undo, may_mail):
    path, _, ticket = undo.rpartition("/")
    forged = ("B" if ticket[0] == "A" else "A") + ticket[1:]
    assert (await client.get(f"{path}/{forged}")).status == 409
    other = f"/u/{await short_token(client, keys)}/undo"
    assert (await client.get(f"{other}/{ticket}")).status == 409
    assert (await client.get(f"/u/{'A' * 40}/undo/{ticket}")).status == 404
    # A mail's ticket is not a page's, which needs no page to be shown.
    assert (await client.post(path, data={"ticket": ticket})).status == 409
    assert not await may_mail()


async def test_the_page_offers_the_way_out_again(client, undo, press, may_mail):
    done = await (await press(undo)).text()
    action = re.search(r'action="([^"]+)"', done)[1]
    assert action == undo.partition("/undo/")[0]
    await client.post(action, data={"nonce": re.search(r'name="nonce" value="([^"]+)"', done)[1]})
    assert not await may_mail()
