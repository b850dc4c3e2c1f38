"""Who is never answered: programs, lists, nobody, ourselves, and whoever did not write (E-32)."""

from datetime import timedelta

import pytest

from prefsvc import brands
from prefsvc.mail.mail import Mail
from prefsvc.mailbox.making import Arrived
from prefsvc.mailbox.taking import take
from tests.mailbox.conftest import NEWS, mail
from tests.mailbox.test_listener import short_token
from tests.receipts.conftest import BOX, CARE, MAIL, answering, applied
from tests.support.cast import ANN, BOB

REMOVE = "Remove From Mailing List"
OURS = "robot@example.com"  # what alarms come from


def remove(from_=ANN, **more):
    return mail("", subject=REMOVE, to=BOX, from_=from_, **more)


def report(kind, part):
    raw = mail(
        f"--b\r\n{part}\r\n--b--", subject="Report", from_="mailer-daemon@example.org", to=BOX
    )
    head = f"multipart/report; report-type={kind}; boundary=b"
    return raw.replace(b"text/plain; charset=utf-8", head.encode(), 1)


DSN = report(
    "delivery-status",
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n"
    f"Final-Recipient: rfc822; {ANN}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n",
)
ARF = report(
    "feedback-report",
    "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
    f"Original-Rcpt-To: {ANN}\r\n",
)

# What is said, in an envelope from whom.
SILENT = {
    "the null reverse path": (remove(), ""),
    "a null Return-Path that a server wrote": (remove(Return_Path="<>"), ANN),
    "an answer of a program": (remove(Auto_Submitted="auto-replied"), ANN),
    "what a program generated": (remove(Auto_Submitted="auto-generated; owner=x"), ANN),
    "an older program's mark": (remove(X_Autoreply="yes"), ANN),
    "bulk": (remove(Precedence="bulk"), ANN),
    "junk": (remove(Precedence="junk"), ANN),
    "a list": (remove(List_Id="<talk.example.org>"), ANN),
    "a list by another of its fields": (remove(List_Help="<mailto:help@example.org>"), ANN),
    "a list that the mailbox itself is": (remove(List_Id="<stop.mail.acme.example.com>"), ANN),
    "a program's press of a person's button": (remove(X_Apple_Unsubscribe="true"), ANN),
    "who asks for silence": (remove(X_Auto_Response_Suppress="DR, AutoReply"), ANN),
    "a vacation's subject": (mail("unsubscribe", subject="Out of office", to=BOX), ANN),
    "the owner of a list": (remove("owner-talk@example.org"), "owner-talk@example.org"),
    "the robot of a list": (remove("talk-request@example.org"), "talk-request@example.org"),
    "a mailer daemon": (remove("mailer-daemon@example.org"), "MAILER-DAEMON@example.org"),
    "a postmaster": (remove("postmaster@example.org"), "postmaster@example.org"),
    "nobody's address": (remove("no-reply@example.org"), "no-reply@example.org"),
    "an address made for one mail": (remove("ann=x.com@example.org"), "ann=x.com@example.org"),
    "somebody else's envelope": (remove(), BOB),
    "somebody else's From": (remove(BOB), ANN),
    "an envelope rewritten on its way": (remove(), "SRS0=x=y=example.org=ann@fwd.example.com"),
    "a mailbox of the brand": (remove(CARE), CARE),
    "another address of the brand's": (remove(NEWS), NEWS),
    "the address of our alarms": (remove(OURS), OURS),
    "an address without a domain": (remove("ann@localhost"), "ann@localhost"),
    "a dead address": (DSN, ""),
    "a dead address, in an envelope from it": (DSN, ANN),
    "a complaint": (ARF, ANN),
    "a doubt": (mail("who is this?? wrong person", subject="hm", to=BOX), ANN),
    "an ordinary letter": (mail("Where is my order?", to=NEWS), ANN),
}  # fmt: skip


@pytest.mark.parametrize("what", SILENT)
async def test_there_is_no_answer_to(taking, what):
    raw, sender = SILENT[what]
    taking.set(mail_from=OURS)
    await taking.sends(raw, from_=sender)
    assert await taking.queued() == 0
    assert await taking.value("select count(*) from receipt") == 0


async def test_the_same_mail_from_a_person_is_answered(taking):
    taking.set(mail_from=OURS)
    await taking.sends(remove())
    assert await taking.queued() == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"Auto_Submitted": "auto-generated"},
        {"Auto_Submitted": "auto-replied", "X_Apple_Unsubscribe": "true"},
        {"Precedence": "bulk"},
    ],
)
async def test_a_tokens_mail_counts_whoever_wrote_it_and_a_program_is_not_answered(
    taking, client, keys, fields
):
    to = f"u+{await short_token(client, keys)}@mail.acme.example.com"
    await taking.sends(mail("", subject="", to=to, **fields), to=to)
    assert await taking.value("select count(*) from preference_event") == 1
    assert await taking.queued() == 0


@pytest.mark.parametrize(("sender", "count"), [(ANN, 1), (BOB, 0)])
async def test_a_tokens_mail_is_answered_to_its_person_alone(taking, client, keys, sender, count):
    to = f"u+{await short_token(client, keys)}@mail.acme.example.com"
    await taking.sends(mail("", subject="", to=to), to=to, from_=sender)
    assert await taking.value("select count(*) from preference_event") == 1
    assert await taking.queued() == count


async def test_a_token_of_a_text_is_not_answered_by_mail(taking, client, keys):
    line = {"channel": "sms", "address": "+12025550123", "form": "short"}
    made = await client.post("/v1/brands/acme/links", headers=keys.operator, json=line)
    to = f"u+{(await made.text()).partition('/u/')[2].partition(chr(34))[0]}@mail.acme.example.com"
    await taking.sends(mail("", subject="", to=to), to=to)
    assert await taking.value("select channel from preference_event") == "sms"
    assert await taking.queued() == 0


@pytest.mark.parametrize(
    ("return_path", "count"),
    [(f"<{ANN}>", 1), (f"<{BOB}>", 0), ("<>", 0), (None, 0), ("not an address", 0)],
)
async def test_a_mail_without_an_envelope_is_answered_to_its_return_path(
    taking, client, keys, return_path, count
):
    fields = {} if return_path is None else {"Return_Path": return_path}
    headers = keys.mailer | {"Content-Type": "message/rfc822"}
    url = "/v1/brands/acme/mails"
    reply = await client.post(url, data=remove(**fields), headers=headers)
    assert (await reply.json())["outcome"] in ({"ignored"} if return_path == "<>" else {"opt_out"})
    assert await taking.queued() == count


@pytest.mark.parametrize(
    "brand",
    [
        answering("acknowledge = false"),
        answering(mail=MAIL.replace("from =", "# from =")),
    ],
)
async def test_a_brand_that_does_not_want_it_answers_nobody(taking, brand):
    await applied(taking.service, brand)
    await taking.sends(remove())
    assert await taking.value("select count(*) from preference_event") == 1
    assert await taking.queued() == 0


async def test_without_a_mail_server_nobody_is_answered(taking):
    taking.set(smtp_host="")
    await taking.sends(remove())
    assert await taking.value("select count(*) from preference_event") == 1
    assert await taking.queued() == 0


async def test_a_retired_brand_answers_nobody(taking):
    async with taking.service.database.transaction() as tx:
        await brands.retire(tx, "acme")
    await taking.service.refresh_book()
    await taking.sends(remove())
    assert await taking.value("select count(*) from preference_event") == 1
    assert await taking.queued() == 0


async def test_what_comes_by_another_door_has_no_receipt(taking, client, keys):
    said = {"channel": "email", "address": ANN, "source": "letter", "evidence": {"letter": "1"}}
    for body in (said, said | {"address": BOB, "source": "phone"}):
        reply = await client.post("/v1/brands/acme/opt-outs", headers=keys.operator, json=body)
        assert reply.status == 201
    token = await short_token(client, keys)
    await client.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"})
    assert await taking.queued() == 0


@pytest.mark.parametrize(("days", "queued"), [(6, 1), (8, 0)])
async def test_a_mail_that_lay_in_a_mailbox_for_long_counts_and_is_not_answered(
    taking, days, queued
):
    received_at = taking.service.now() - timedelta(days=days)
    written = Mail(remove(Return_Path=f"<{ANN}>"))
    await take(taking.service, Arrived(written, BOX, "mailbox stop", received_at=received_at))
    assert await taking.value("select count(*) from suppression") == 1
    assert await taking.queued() == queued
