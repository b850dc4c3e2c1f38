"""Petite Studio texts: STOP in anybody's words stops it, and no phone number leaves the house."""

import hashlib

import pytest

from tests.sms.twilio_client import signed, sms
from tests.support.cast import ANN, ANNS_PHONE, ORIGIN, TWILIO_TOKEN
from tests.support.lists import problem, read_ndjson

HOOK = "/hooks/twilio/messages"
BOBS_PHONE = "+12025550124"
NUMBERS = ("+12025550141", "+12025550142", "+12025550143")
SERVICE = "MG0123456789abcdef0123456789abcdef"
IN_THEIR_WORDS = [
    "STOP",
    "pls stop texting me!!",
    "Take me off your list",
    "no quiero más mensajes",
    "Stop. Wrong season, wrong size.",
    "unsubscribe me from everything please",
]


@pytest.fixture
async def shop(about):
    return await about("petite-studio")


@pytest.fixture
def text(client):
    """Text one of the shop's numbers, as Twilio hands it over."""

    async def text(body, *, to=NUMBERS[0], from_=ANNS_PHONE, **more):
        form = sms(body, from_=from_, to=to, **more)
        headers = signed(ORIGIN + HOOK, form, TWILIO_TOKEN)
        reply = await client.post(HOOK, data=form, headers=headers)
        assert reply.status == 200, await reply.text()
        return await reply.text()

    return text


def sha256(phone):
    return hashlib.sha256(phone.encode()).hexdigest()


async def asked(client, program, **body):
    """Ask the check as a program would."""
    url = f"/v1/brands/{program.story.slug}/check"
    reply = await client.post(url, headers=program.key, json=body)
    assert reply.status == 200, await reply.text()
    return [one["may_send"] for one in (await reply.json())["results"]]


@pytest.mark.parametrize("words", IN_THEIR_WORDS)
async def test_a_stop_to_any_number_is_a_stop_to_the_brand(shop, text, client, words):
    """SEEDS 17: whatever the words and the number, every sender of texts hears no."""
    texter, campaigns = await shop.program("texter", "sms"), await shop.program("campaigns", "sms")
    people = {f"+120255501{n:02d}": to for n, to in enumerate(NUMBERS, start=10)}
    for phone, to in people.items():
        # Twilio answers for these numbers, so prefsvc is silent.
        assert (await text(words, to=to, from_=phone)).endswith(("<Response />", "<Response/>"))
    await text(words, to="+12025550188", from_=ANNS_PHONE, MessagingServiceSid=SERVICE)
    people[ANNS_PHONE] = SERVICE
    for sender in (texter, campaigns):
        phones = [*people, BOBS_PHONE]
        hashed = [sha256(phone) for phone in phones]
        expected = [False] * len(people) + [True]
        assert await asked(client, sender, addresses=phones) == expected
        assert await asked(client, sender, addresses=phones, topic="sales") == expected
        assert await asked(client, sender, sha256=hashed) == expected
        assert await sender.catches_up() == set(people)


async def test_after_opting_out_what_was_ordered_still_comes(shop, text, client):
    """SEEDS 20: orders and the account are no marketing; sales and new arrivals are."""
    texter = await shop.program("texter", "sms")
    await text("STOP")
    answers = {
        topic: await asked(client, texter, addresses=[ANNS_PHONE], topic=topic)
        for topic in ("new-arrivals", "sales", "orders", "account")
    }
    assert answers == {
        "new-arrivals": [False], "sales": [False], "orders": [True], "account": [True],
    }  # fmt: skip
    by_class = {
        message_class: await asked(
            client, texter, addresses=[ANNS_PHONE], message_class=message_class
        )
        for message_class in ("marketing", "transactional", "service")
    }
    assert by_class == {"marketing": [False], "transactional": [True], "service": [True]}
    # A stop of texts is none of mails.
    assert (await shop.may_send(ANN))["may_send"]


async def test_the_list_of_phone_numbers_leaves_only_to_the_shops_own_texters(
    shop, about, text, client
):
    """SEEDS 18: no other brand, no partner and no sender of mail gets it, not even hashed."""
    texter, mailer = await shop.program("texter", "sms"), await shop.program("mailer")
    partner = await (await about("dear-scarlett")).program("partner")
    await text("STOP")
    assert await texter.catches_up() == {ANNS_PHONE}

    lists = [
        "suppressions?channel=sms",
        "suppressions?channel=sms&hashed=true",
        "suppressions?channel=sms&format=csv",
        "feed?channel=sms",
    ]
    for path in lists:
        url = f"/v1/brands/petite-studio/{path}"
        for program in (mailer, partner):
            reply = await client.get(url, headers=program.key)
            assert ANNS_PHONE not in await reply.text()
            assert sha256(ANNS_PHONE) not in await reply.text()
            assert await problem(reply) == (403, "not_allowed")
        without = await client.get(url)
        assert await problem(without) == (401, "invalid_api_key")
    for body in ({"addresses": [ANNS_PHONE]}, {"sha256": [sha256(ANNS_PHONE)]}):
        for program in (mailer, partner):
            url = "/v1/brands/petite-studio/check"
            reply = await client.post(url, headers=program.key, json={"channel": "sms"} | body)
            assert await problem(reply) == (403, "not_allowed")

    # And the mailer's own list has no phone number.
    reply = await client.get("/v1/brands/petite-studio/suppressions", headers=mailer.key)
    assert read_ndjson(await reply.read())[0] == []


async def test_a_change_of_mind_by_text_lifts_the_stop_and_every_sender_hears_it(
    shop, text, client, clock
):
    """SEEDS 17: START, some time after STOP."""
    texter = await shop.program("texter", "sms")
    await text("STOP", to=NUMBERS[0])
    assert await texter.catches_up() == {ANNS_PHONE}
    clock.move(minutes=1)
    await text("START", to=NUMBERS[2])
    assert await asked(client, texter, addresses=[ANNS_PHONE]) == [True]
    assert await texter.catches_up() == set()
