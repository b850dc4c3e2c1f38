"""Receipts: who opts out by mail is told once that it was heard (E-32, E-33, E-51)."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from prefsvc import app, metrics
from prefsvc.work import deliveries as work
from prefsvc.work.loops import housekeeping
from tests.mailbox.conftest import mail
from tests.mailbox.test_listener import short_token
from tests.receipts.conftest import BOX, CARE, answering, applied, initech
from tests.support.cast import ANN, BOB
from tests.support.lists import problem
from tests.support.taking_mail import listening
from tests.support.waiting import until

REMOVE = "Remove From Mailing List"
HEARD = "Everyone who sends emails for Acme will have stopped by 30 November 2026 at the latest."
NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)  # in New York


def remove(from_=ANN, **more):
    return mail("", subject=REMOVE, to=BOX, from_=from_, **more)


async def test_the_receipt_is_an_automatic_answer_in_every_field(house, clock):
    clock.stop(NOON)
    raw = mail(
        "",
        subject=REMOVE,
        to=BOX,
        Reply_To=BOB,
        Message_ID="<ann.2@example.org>",
        References="<0@mail.acme.example.com> <1@example.org>",
    )
    await house.sends(raw)
    [taken] = await house.relay.wait_for(1)
    delivery_id = await house.value("select delivery_id from delivery")
    event_id = await house.value("select event_id from preference_event")
    # The envelope: from nobody, to the return path alone, and no report is wanted.
    assert taken.reverse_path == ""
    assert taken.recipients == [ANN]
    assert taken.options == ["NOTIFY=NEVER"]
    # The fields, and no others.
    got = {name: str(value) for name, value in taken.mail.items()}
    assert got.pop("Content-Transfer-Encoding") in {"quoted-printable", "8bit", "base64"}
    assert got == {
        "From": f"Acme <{CARE}>",
        "To": ANN,
        "Subject": "You are unsubscribed from all Acme marketing emails",
        "Date": "Fri, 20 Nov 2026 17:00:00 +0000",
        "Message-ID": f"<{delivery_id}@mail.acme.example.com>",
        "In-Reply-To": "<ann.2@example.org>",
        "References": "<0@mail.acme.example.com> <1@example.org> <ann.2@example.org>",
        "Auto-Submitted": "auto-replied",
        "X-Auto-Response-Suppress": "All",
        "Content-Language": "en",
        "MIME-Version": "1.0",
        "Content-Type": 'text/plain; charset="utf-8"',
    }
    # The text: what was stopped, by when, the way back, and nothing of the mail that it answers.
    lines = taken.text.replace("\N{NO-BREAK SPACE}", " ").split("\n")
    assert lines[5].startswith("https://stop.example.com/u/")
    assert lines[:5] + lines[6:] == [
        "You are unsubscribed from all Acme marketing emails",
        "",
        f"It counts from now on. {HEARD}",
        "",
        "If you did not want this, you can undo it until 27 November 2026:",
        "",
        "This is an automatic answer to an email from your address.",
        "Questions? help@acme.example.com",
        f"Receipt: {event_id}",
        "",
    ]
    assert REMOVE not in taken.text


async def test_a_server_without_reports_is_not_asked_to_leave_them(house):
    house.relay.offers = ()
    await house.sends(remove())
    [taken] = await house.relay.wait_for(1)
    assert taken.options == []


async def test_no_address_lies_in_the_queue(taking):
    await taking.sends(remove(Message_ID=f"<1.{ANN}>"))
    row = await taking.value("select to_jsonb(d)::text from delivery as d")
    endpoint = await taking.value("select to_jsonb(e)::text from endpoint as e")
    turn = await taking.value("select to_jsonb(r)::text from receipt as r")
    assert "ann" not in row + endpoint + turn
    assert "example" not in row + endpoint + turn


async def test_no_log_line_says_to_whom(house):
    with capture_logs() as logs:
        await house.sends(remove(Message_ID=f"<1.{ANN}>"))
        [taken] = await house.relay.wait_for(1)
        await until(lambda: "delivery_attempt" in {one["event"] for one in logs})
    token = taken.text.partition("/u/")[2].partition("/")[0]
    assert ANN not in str(logs)
    assert token not in str(logs)


async def test_who_says_it_again_has_no_second_receipt_for_a_week(house, clock):
    clock.stop(NOON)
    for number in range(3):
        await house.sends(remove(Message_ID=f"<{number}@example.org>"))
    # An attempt under way would be made again: by this clock nobody holds it any more.
    assert await house.is_settled()
    clock.move(days=6, hours=23)
    await house.sends(remove(Message_ID="<soon@example.org>"))
    assert await house.queued() == 1
    clock.move(hours=1)
    await house.sends(remove(Message_ID="<again@example.org>"))
    _, taken = await house.relay.wait_for(2)
    text = taken.text.replace("\N{NO-BREAK SPACE}", " ")
    assert taken.mail["Subject"] == "You were already unsubscribed from all Acme marketing emails"
    assert "Your request of 20 November 2026 stands." in text
    # What stood before is not this mail's to lift.
    assert "/undo/" not in text
    assert await house.queued() == 2


async def test_of_twenty_mails_at_once_one_is_answered(house):
    mails = (remove(Message_ID=f"<{number}@example.org>") for number in range(20))
    await asyncio.gather(*map(house.sends, mails))
    assert await house.is_settled()
    assert len(house.relay.taken) == 1


async def test_of_two_brands_that_somebody_leaves_at_once_one_answers(house):
    await applied(house.service, initech())
    boxes = [BOX, "stop@mail.initech.example.com"]
    for number in range(4):
        raw = remove(from_=BOB, Message_ID=f"<{number}@example.org>")
        await asyncio.gather(*(house.sends(raw, to=box, from_=BOB) for box in boxes))
    assert await house.is_settled()
    assert len(house.relay.taken) == 1
    assert await house.value("select count(distinct brand_id) from preference_event") == 2


async def test_a_mail_that_comes_again_after_the_week_is_the_same_mail(house, clock):
    await house.sends(remove())
    clock.move(days=8)
    await house.sends(remove())
    assert await house.queued() == 1


async def test_the_week_holds_over_a_restart_and_in_another_process(
    house, settings, vault, database_url, clock
):
    await house.sends(remove())
    await house.relay.wait_for(1)
    async with app.opened(settings, vault, database_url, clock=clock) as other:
        other.settings = house.service.settings
        async with listening(other) as port:
            elsewhere = replace(house, service=other, port=port)
            await elsewhere.sends(remove(Message_ID="<2@example.org>"))
            assert await house.queued() == 1
            clock.move(days=7)
            await elsewhere.sends(remove(Message_ID="<3@example.org>"))
    assert await house.queued() == 2


async def test_what_is_older_than_a_week_is_forgotten_by_the_house(house, clock):
    await house.sends(remove())
    tidy = housekeeping(house.service)
    await tidy()
    assert await house.value("select count(*) from receipt") == 1
    clock.move(days=8)
    await tidy()
    assert await house.value("select count(*) from receipt") == 0


@pytest.mark.parametrize(
    ("fields", "language"),
    [
        ({"Content_Language": "de-DE"}, "de"),
        ({"Accept_Language": "de, en;q=0.5"}, "de"),
        ({"Content_Language": "fr"}, "en"),  # which acme does not speak
        ({"Content_Language": "nonsense\0"}, "en"),
    ],
)
async def test_it_is_in_the_mails_language_if_the_brand_speaks_it(house, fields, language):
    await house.sends(remove(**fields))
    [taken] = await house.relay.wait_for(1)
    assert taken.mail["Content-Language"] == language
    said = {"de": "Alle Werbe-E-Mails von Acme sind abbestellt", "en": "You are unsubscribed"}
    assert taken.mail["Subject"].startswith(said[language])
    assert taken.text.startswith(said[language])


async def test_a_tokens_topic_and_language_are_the_receipts(house, client, keys):
    token = await short_token(client, keys, topic="news", language="de")
    to = f"u+{token}@mail.acme.example.com"
    await house.sends(mail("", subject="", to=to, Content_Language="en"), to=to)
    [taken] = await house.relay.wait_for(1)
    assert taken.mail["Subject"] == "„Neues“ ist abbestellt"
    assert taken.mail["Content-Language"] == "de"


async def test_an_opt_out_that_was_taken_back_meanwhile_is_not_told(house, client, keys):
    house.relay.to_mail = ["451 later"]
    await house.sends(remove())
    await house.has_tried()
    body = {"channel": "email", "address": ANN, "source": "phone", "evidence": {"call": "1"}}
    said = await client.post("/v1/brands/acme/opt-ins", headers=keys.operator, json=body)
    assert said.status in {200, 201}, await problem(said)
    await house.tries_again()
    assert await house.is_settled("failed")
    assert house.relay.taken == []
    assert await house.value("select outcome from delivery_attempt where attempt = 2") == "lapsed"


async def test_an_erased_address_gets_none(house):
    house.relay.to_mail = ["451 later"]
    await house.sends(remove())
    await house.has_tried()
    await house.service.database.pool.execute(
        "update address set canonical = null, as_written = null, erased_at = now(),"
        " sealed_sha256 = 'x'"
    )
    await house.tries_again()
    assert await house.is_settled("failed")
    assert house.relay.taken == []


async def test_what_the_server_does_not_take_now_is_tried_again_as_the_same_mail(house, clock):
    house.relay.to_mail = ["451 later", "250 ok"]
    await house.sends(remove())
    await house.has_tried()
    clock.move(seconds=6)
    [taken] = await house.relay.wait_for(1)
    delivery_id = await house.value("select delivery_id from delivery")
    assert taken.mail["Message-ID"] == f"<{delivery_id}@mail.acme.example.com>"


async def test_a_mailbox_that_is_not_there_is_tried_once_and_is_nobodys_to_mend(house):
    house.relay.to_recipient = ["550 5.1.1 no such mailbox"]
    await house.sends(remove())
    assert await house.is_settled("failed")
    assert await house.value("select attempt_count from delivery") == 1
    await work.count_backlog(house.service)
    assert metrics.DELIVERIES_FAILED._value.get() == 0


async def test_a_server_that_never_takes_it_is_left_alone_after_three_days(house, clock):
    house.relay.to_mail = ["451 later"] * 20
    await house.sends(remove())
    for attempt in range(1, 11):
        await house.has_tried(attempt)
        clock.move(days=1)
        house.service.enqueued.set()
    assert await house.is_settled("failed")
    assert await house.value("select attempt_count from delivery") == 10
    assert house.relay.taken == []


async def test_the_endpoint_of_receipts_is_none_of_the_operators(house, client, keys):
    await house.sends(remove())
    await house.relay.wait_for(1)
    listed = await client.get("/v1/brands/acme/endpoints", headers=keys.operator)
    assert (await listed.json())["endpoints"] == []
    endpoint_id = await house.value("select endpoint_id from endpoint")
    one = f"/v1/brands/acme/endpoints/{endpoint_id}"
    for method, path in (("GET", one), ("DELETE", one), ("GET", f"{one}/deliveries")):
        reply = await client.request(method, path, headers=keys.operator)
        assert await problem(reply) == (404, "unknown_endpoint")


async def test_the_opt_out_and_its_receipt_are_one_transaction(taking):
    pool = taking.service.database.pool
    await pool.execute("alter table prefsvc.delivery rename to away")
    try:
        with pytest.raises(Exception, match="451"):
            await taking.sends(remove())
    finally:
        await pool.execute("alter table prefsvc.away rename to delivery")
    assert await taking.value("select count(*) from preference_event") == 0
    await taking.sends(remove())
    assert await taking.queued() == 1


async def test_a_brand_that_went_silent_meanwhile_sends_none(house):
    house.relay.to_mail = ["451 later"]
    await house.sends(remove())
    await house.has_tried()
    await applied(house.service, answering("acknowledge = false"))
    await house.tries_again()
    assert await house.is_settled("failed")
    assert house.relay.taken == []


async def test_an_undo_is_offered_for_as_long_as_the_settings_say(house, clock):
    clock.stop(NOON)
    house.set(receipt_undo_days=3)
    await house.sends(remove())
    [taken] = await house.relay.wait_for(1)
    until = (NOON + timedelta(days=3)).day
    assert f"until {until} November 2026" in taken.text.replace("\N{NO-BREAK SPACE}", " ")
