"""People leave by mail: to the mailbox that is there for it, by a reply, by a token's address.

Their mail provider signs what they write, or does not: both count, and what nobody vouches for can
be taken back.
"""

import asyncio
import json
import re
import smtplib
from dataclasses import replace

import pytest

from prefsvc.brand import Brand
from prefsvc.work.floods import watch_floods
from tests.imap.cast import apply, pulling
from tests.mailbox.conftest import mail
from tests.stories.storyteller import FOLDER, due
from tests.support import dovecot
from tests.support.cast import ANN, BOB
from tests.support.mail_relay import relaying
from tests.support.name_server import name_server
from tests.support.signing import publish, signed
from tests.support.taking_mail import listening
from tests.unit.test_brand_mailboxes import mailbox


@pytest.fixture
async def names():
    """The name servers of the people's mail providers."""
    async with name_server() as names:
        publish(names, "example.org")
        names.publish("_dmarc.example.org", "v=DMARC1; p=reject")
        yield names


@pytest.fixture
async def hands_over(service, names):
    """Hand mail over to the service by SMTP."""
    update = {
        "mail_listen_port": 0,
        "mail_authentication": "check",
        "dns_servers": (names.place,),
    }
    service.settings = service.settings.model_copy(update=update)
    async with listening(service) as port:

        async def hand_over(raw, *, from_, to):
            def talk():
                with smtplib.SMTP("127.0.0.1", port, timeout=30) as server:
                    server.sendmail(from_, [to], raw)

            await asyncio.to_thread(talk)

        yield hand_over


SIGNED = pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])


def written(raw, *, is_signed):
    """Return a mail as the person's provider hands it over."""
    return signed(raw, "example.org") if is_signed else raw


async def sources(service):
    rows = await service.database.pool.fetch(
        "select e.source, p.content ->> 'authenticated' as is_proven from preference_event as e "
        "join evidence as p using (bucket, event_id) where e.act = 'opt_out' order by e.recorded_at"
    )
    return [tuple(row) for row in rows]


PROVEN, CLAIMED = ("mail_reply", "true"), ("mail_reply_unproven", "false")


@SIGNED
async def test_remove_from_mailing_list_is_written_to_the_mailbox(
    about, hands_over, service, is_signed
):
    """SEEDS 13, 14: the subject says it all; twice is once, due in two weeks."""
    house = await about("ducallier")
    mailer = await house.program("mailer")
    box = "Unsubscribe@ducallier.example.org"
    raw = written(mail("", subject="Remove From Mailing List", to=box), is_signed=is_signed)
    await hands_over(raw, from_=ANN, to=box)
    await hands_over(raw, from_=ANN, to=box)
    stopped = await house.may_send(ANN)
    assert (stopped["may_send"], due(stopped)) == (False, house.day(14))
    assert await mailer.catches_up() == {ANN}
    assert (await house.may_send(ANN, topic="orders"))["may_send"]
    assert await sources(service) == [PROVEN if is_signed else CLAIMED]


@pytest.fixture
async def mail_server(service):
    """Be the mail server that the house hands its own mail to."""
    async with relaying() as relay:
        own = {"smtp_host": "127.0.0.1", "smtp_port": relay.port, "smtp_security": "none"}
        service.settings = service.settings.model_copy(update=own)
        yield relay


async def test_who_writes_to_the_mailbox_is_told_once_and_may_change_her_mind(
    about, hands_over, mail_server, clock
):
    """SEEDS 13: acknowledged once."""
    house = await about("ducallier")
    mailer = await house.program("mailer")
    box = "unsubscribe@ducallier.example.org"
    for number in range(3):
        asked = {"subject": "Remove From Mailing List", "to": box, "Content_Language": "fr-FR"}
        raw = signed(mail("", **asked, Message_ID=f"<{number}@example.org>"), "example.org")
        await hands_over(raw, from_=ANN, to=box)
    await house.everything_happens()
    assert await mailer.catches_up() == {ANN}

    # One mail, to her alone, from nobody, in her language: what was stopped, and by when.
    [told] = mail_server.taken
    assert (told.reverse_path, told.recipients) == ("", [ANN])
    assert told.mail["From"] == "Ducallier <support@ducallier.example.org>"
    assert told.mail["In-Reply-To"] == "<0@example.org>"
    said = told.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Vous ne recevrez plus aucun e-mail publicitaire envoyé par Ducallier" in said
    assert "4 décembre 2026" in said

    # Three days later she finds it, and presses the button on the page that it leads to.
    await house.it_is_day(3)
    path = re.search(r"https://stop\.example\.com(/u/\S+)", told.text)[1]
    page = await (await house.client.get(path)).text()
    assert not (await house.may_send(ANN))["may_send"]
    clock.move(seconds=8)
    nonce = re.search(r'name="nonce" value="([^"]+)"', page)[1]
    assert (await house.client.post(path, data={"nonce": nonce})).status == 200
    assert (await house.may_send(ANN))["may_send"]
    assert await mailer.catches_up() == set()

    # A week after the first she has had enough after all, and is told again.
    await house.it_is_day(8)
    again = mail("", subject="Remove From Mailing List", to=box, Message_ID="<9@example.org>")
    await hands_over(signed(again, "example.org"), from_=ANN, to=box)
    # Nobody is answered in whose name somebody else may have written.
    forged = mail("", subject="Remove From Mailing List", to=box, from_=BOB, Message_ID="<10@x>")
    await hands_over(forged, from_=BOB, to=box)
    await house.everything_happens()
    assert not (await house.may_send(ANN))["may_send"]
    assert not (await house.may_send(BOB))["may_send"]
    assert [one.recipients for one in mail_server.taken] == [[ANN], [ANN]]


@SIGNED
async def test_a_reply_to_a_mailing_is_read_without_what_it_quotes(
    about, hands_over, service, is_signed
):
    """SEEDS 15: one may reply, or write to support at any time."""
    house = await about("ducallier")
    footer = "> You get this because you asked for it. Reply STOP to unsubscribe.\r\n"
    news, support = "letter@news.ducallier.example.org", "support@ducallier.example.org"
    thanks = mail(f"Lovely, thank you!\r\n\r\n{footer}", to=news, from_=BOB)
    await hands_over(written(thanks, is_signed=is_signed), from_=BOB, to=news)
    assert (await house.may_send(BOB))["may_send"]
    reply = mail(f"No more emails please\r\n\r\n{footer}", to=news)
    await hands_over(written(reply, is_signed=is_signed), from_=ANN, to=news)
    assert not (await house.may_send(ANN))["may_send"]
    wish = mail("Hello, please take me off your mailing list. Bob", subject="Hi", from_=BOB)
    await hands_over(written(wish, is_signed=is_signed), from_=BOB, to=support)
    assert not (await house.may_send(BOB))["may_send"]
    assert await sources(service) == [PROVEN if is_signed else CLAIMED] * 2


@SIGNED
@pytest.mark.parametrize(
    ("slug", "topic", "another"),
    [("atelier-enterprise", None, None), ("dear-scarlett", "offers", "news")],
)
async def test_every_mail_can_be_answered_by_its_own_address(  # noqa: PLR0917 - fixtures
    about, hands_over, service, slug, topic, another, is_signed
):
    """SEEDS 8, 10: the token in the address says which mail, whatever the program writes."""
    shop = await about(slug)
    line = {"channel": "email", "address": ANN, "form": "short"}
    line |= {"topic": topic} if topic else {}
    made = await shop.client.post(
        f"/v1/brands/{slug}/links", headers=shop.operator, data=json.dumps(line)
    )
    to = f"u+{json.loads(await made.text())['token'].upper()}@stop.example.com"
    raw = mail("", subject="", to=to, from_="ann@phone.example.net")
    await hands_over(written(raw, is_signed=is_signed), from_=ANN, to=to)
    assert not (await shop.may_send(ANN, topic=topic))["may_send"]
    if another:
        assert (await shop.may_send(ANN, topic=another))["may_send"]
    # The token is proof enough, whoever signs.
    assert await sources(service) == [("mailbox", "true")]


async def test_somebody_removes_a_whole_list_in_other_peoples_names(about, hands_over, service):
    """RULES E-34: all of it counts, the operator is alarmed once, and one call takes it back."""
    house = await about("ducallier")
    receiver = await house.receiver()
    mailer = await house.program("mailer")
    service.settings = service.settings.model_copy(update={"mail_flood_size": 20})
    box = "unsubscribe@ducallier.example.org"

    def removal(sender, number):
        return mail(
            "", subject="Remove From Mailing List", to=box, from_=sender,
            Message_ID=f"<{number}@example.org>",
        )  # fmt: skip

    await hands_over(written(removal(BOB, 0), is_signed=True), from_=BOB, to=box)
    victims = [f"victim{number}@example.org" for number in range(25)]
    for number, victim in enumerate([ANN, BOB, *victims], start=1):
        await hands_over(removal(victim, number), from_=victim, to=box)
    assert await mailer.catches_up() == {ANN, BOB, *victims}
    await watch_floods(service)
    await house.everything_happens()
    alarms = [one["data"] for one in receiver.notices]
    [told] = [one for one in alarms if one["origin"] == "example.org"]
    assert (told["step"], told["mail_count"]) == ("mail_flood", 26)
    await house.clicks_unsubscribe(ANN)
    house.clock.move(minutes=1)
    body = {"since": told["since"], "until": service.now().isoformat(), "origin": "example.org"}
    done = await house.asks("POST", "mails/forged", body)
    assert (done["requests"], done["lifted"], done["kept"]) == (27, 25, 2)
    assert await mailer.catches_up() == {ANN, BOB}
    again = await house.asks("POST", "mails/forged", body)
    assert again["lifted"] == 0


@dovecot.needed
async def test_mail_that_lies_in_a_mailbox_elsewhere_counts_as_if_it_were_handed_over(
    about, service
):
    """SEEDS 13, 15: ducallier's mail lies at a hosting company, and is pulled from there."""
    house = await about("ducallier")
    mailer = await house.program("mailer")
    service.vault = replace(service.vault, mailbox_passwords=(("hosted", dovecot.PASSWORD),))
    box = "Unsubscribe@ducallier.example.org"
    removal = mail("", subject="Remove From Mailing List", to=box)
    footer = "> You get this because you asked for it. Reply STOP to unsubscribe.\r\n"
    support = "support@ducallier.example.org"
    reply = mail(f"No more emails please\r\n\r\n{footer}", to=support, from_=BOB)
    thanks = mail(f"Lovely, thank you!\r\n\r\n{footer}", to=support, from_="cy@example.org")
    with dovecot.serving() as server:
        user = server.new_user()
        server.deliver(user, removal, removal, reply, thanks, at=house.clock())
        there = {"server": f"127.0.0.1:{server.port}", "security": "none", "user": user}
        shipped = (FOLDER / "ducallier.toml").read_text("utf-8")
        own = mailbox(name="hosted", address=support, **there)
        house.clock.move(seconds=1)
        await apply(service, Brand.from_toml(shipped + own, file="ducallier.toml"))
        async with pulling(service, name="hosted") as pull:
            await pull.through()
    stopped = await house.may_send(ANN)
    assert (stopped["may_send"], due(stopped)) == (False, house.day(14))
    assert await mailer.catches_up() == {ANN, BOB}
    assert (await house.may_send("cy@example.org"))["may_send"]
    assert (await house.may_send(ANN, topic="orders"))["may_send"]
