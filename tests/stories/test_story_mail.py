"""People leave by mail: to the mailbox that is there for it, by a reply, by a token's address."""

import asyncio
import json
import smtplib

import pytest

from tests.mailbox.conftest import mail
from tests.stories.storyteller import due
from tests.support.cast import ANN, BOB
from tests.support.taking_mail import listening


@pytest.fixture
async def hands_over(service):
    """Hand mail over to the service by SMTP."""
    service.settings = service.settings.model_copy(update={"mail_listen_port": 0})
    async with listening(service) as port:

        async def hand_over(raw, *, from_, to):
            def talk():
                with smtplib.SMTP("127.0.0.1", port, timeout=30) as server:
                    server.sendmail(from_, [to], raw)

            await asyncio.to_thread(talk)

        yield hand_over


async def test_remove_from_mailing_list_is_written_to_the_mailbox(about, hands_over):
    """SEEDS 13: the subject says it all; twice is once."""
    house = await about("ducallier")
    mailer = await house.program("mailer")
    box = "Unsubscribe@ducallier.example.org"
    raw = mail("", subject="Remove From Mailing List", to=box)
    await hands_over(raw, from_=ANN, to=box)
    await hands_over(raw, from_=ANN, to=box)
    stopped = await house.may_send(ANN)
    assert (stopped["may_send"], due(stopped)) == (False, house.day(14))
    assert await mailer.catches_up() == {ANN}
    assert (await house.may_send(ANN, topic="orders"))["may_send"]


async def test_a_reply_to_a_mailing_is_read_without_what_it_quotes(about, hands_over):
    """SEEDS 15: one may reply, or write to support at any time."""
    house = await about("ducallier")
    footer = "> You get this because you asked for it. Reply STOP to unsubscribe.\r\n"
    news, support = "letter@news.ducallier.example.org", "support@ducallier.example.org"
    thanks = mail(f"Lovely, thank you!\r\n\r\n{footer}", to=news, from_=BOB)
    await hands_over(thanks, from_=BOB, to=news)
    assert (await house.may_send(BOB))["may_send"]
    await hands_over(mail(f"No more emails please\r\n\r\n{footer}", to=news), from_=ANN, to=news)
    assert not (await house.may_send(ANN))["may_send"]
    wish = mail("Hello, please take me off your mailing list. Bob", subject="Hi", from_=BOB)
    await hands_over(wish, from_=BOB, to=support)
    assert not (await house.may_send(BOB))["may_send"]


@pytest.mark.parametrize(
    ("slug", "topic", "another"),
    [("atelier-enterprise", None, None), ("dear-scarlett", "offers", "news")],
)
async def test_every_mail_can_be_answered_by_its_own_address(
    about, hands_over, slug, topic, another
):
    """SEEDS 8, 10: the token in the address says which mail, whatever the program writes."""
    shop = await about(slug)
    line = {"channel": "email", "address": ANN, "form": "short"}
    line |= {"topic": topic} if topic else {}
    made = await shop.client.post(
        f"/v1/brands/{slug}/links", headers=shop.operator, data=json.dumps(line)
    )
    to = f"u+{json.loads(await made.text())['token'].upper()}@stop.example.com"
    await hands_over(mail("", subject="", to=to, from_="ann@phone.example.net"), from_=ANN, to=to)
    assert not (await shop.may_send(ANN, topic=topic))["may_send"]
    if another:
        assert (await shop.may_send(ANN, topic=another))["may_send"]
