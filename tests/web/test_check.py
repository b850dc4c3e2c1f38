import io

import pytest

from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import ACME, check, problem, say_start, say_stop, sha256


async def test_asking_by_sha256_gives_the_same_answer(client, keys):
    await say_stop(client, keys, ANN)
    by_address = await check(client, keys.mailer, ANN, BOB)
    by_digest = await check(client, keys.mailer, sha256=[sha256(ANN), sha256(BOB).upper()])
    assert by_address == by_digest
    assert [one["may_send"] for one in by_digest] == [False, True]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Ann@Example.ORG", "aNN@eXAMPLE.org"),
        ("ann@bücher.example.com", "ANN@xn--bcher-kva.example.com"),
        ('"ann"@example.org', "ann@example.org"),
        ("Ann <ann@example.org>", "mailto:ann@example.org"),
        ("jürgen@example.org", "JU\u0308RGEN@example.org"),
    ],
)
async def test_another_spelling_is_the_same_address(client, keys, said, asked):
    await say_stop(client, keys, said)
    assert [one["may_send"] for one in await check(client, keys.mailer, asked)] == [False]


async def test_ten_thousand_are_answered_in_their_order(client, keys):
    everybody = [f"p{n}@example.org" for n in range(10_000)]
    stopped = set(everybody[3::1000]) | {everybody[0], everybody[-1]}
    for address in stopped:
        await say_stop(client, keys, address)
    verdicts = await check(client, keys.mailer, *everybody)
    assert len(verdicts) == len(everybody)
    found = {
        one for one, verdict in zip(everybody, verdicts, strict=True) if not verdict["may_send"]
    }
    assert found == stopped


async def test_the_same_address_twice_is_answered_twice(client, keys):
    await say_stop(client, keys, ANN)
    verdicts = await check(client, keys.mailer, ANN, BOB, ANN)
    assert [one["may_send"] for one in verdicts] == [False, True, False]


@pytest.mark.parametrize("unreadable", ["", " ", "ann", "@", "a" * 2000])
async def test_what_cannot_be_read_may_not_be_sent(client, keys, unreadable):
    [bob, verdict] = await check(client, keys.mailer, BOB, unreadable)
    assert bob == {"may_send": True}
    assert verdict == {"may_send": False, "reason": "unreadable"}


async def test_what_comes_after_thousands_that_cannot_be_read_is_looked_for(client, keys):
    await say_stop(client, keys, ANN)
    *others, verdict = await check(client, keys.mailer, *["ann"] * 6000, ANN)
    assert not verdict["may_send"]
    assert verdict["reason"] == "opt_out"
    assert {one["reason"] for one in others} == {"unreadable"}


@pytest.mark.parametrize("unreadable", ["", "00", "zz" * 32, "0" * 63, "0" * 65])
async def test_a_digest_that_is_none_may_not_be_sent(client, keys, unreadable):
    [verdict] = await check(client, keys.mailer, sha256=[unreadable])
    assert verdict == {"may_send": False, "reason": "unreadable"}


async def test_a_refusal_to_send_says_why_and_until_when(client, keys):
    said = await say_stop(client, keys, ANN, topic="news")
    [verdict] = await check(client, keys.mailer, ANN, topic="news")
    assert verdict == {
        "may_send": False,
        "reason": "opt_out",
        "scope": "topic",
        "topic": "news",
        "since": said["received_at"],
        "deadline_at": said["deadline_at"],
        "opt_out_id": said["opt_out_id"],
    }


async def test_a_topic_stops_alone_and_a_wider_scope_stops_it_too(client, keys):
    await say_stop(client, keys, ANN, topic="news")
    await say_stop(client, keys, BOB, scope="brand")

    async def may_send(**body):
        return [one["may_send"] for one in await check(client, keys.mailer, ANN, BOB, **body)]

    assert await may_send(topic="news") == [False, False]
    assert await may_send(topic="offers") == [True, False]
    assert await may_send() == [True, False]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("opt_out", {"marketing": False, "transactional": True, "service": True}),
        ("complaint", {"marketing": False, "transactional": True, "service": True}),
        ("deactivated", {"marketing": False, "transactional": True, "service": False}),
        ("restriction", {"marketing": False, "transactional": True, "service": False}),
        ("undeliverable", {"marketing": False, "transactional": False, "service": False}),
    ],
)
async def test_each_message_class_has_its_own_answer(client, keys, reason, expected):
    """SEEDS 3, 11, 20."""
    await say_stop(client, keys, ANN, reason=reason)
    for message_class, may_send in expected.items():
        [verdict] = await check(client, keys.mailer, ANN, message_class=message_class)
        assert verdict["may_send"] == may_send, message_class


async def test_a_transactional_topic_is_not_covered(client, keys):
    await say_stop(client, keys, ANN, scope="brand")
    assert await check(client, keys.mailer, ANN, topic="orders") == [{"may_send": True}]


async def test_clearing_one_reason_clears_no_other(client, keys):
    await say_stop(client, keys, ANN, reason="undeliverable")
    await say_stop(client, keys, ANN)
    assert (await say_start(client, keys, ANN, reason="undeliverable"))["lifted"]
    [verdict] = await check(client, keys.mailer, ANN)
    assert (verdict["may_send"], verdict["reason"]) == (False, "opt_out")


async def test_sharing_with_third_parties_is_its_own_question(client, keys):
    """SEEDS 9, 16; RULES P-12."""
    await say_stop(client, keys, ANN, scope="third_party_sharing")
    await say_stop(client, keys, BOB, scope="brand")
    sharing = await check(client, keys.mailer, ANN, BOB, purpose="third_party_sharing")
    message = await check(client, keys.mailer, ANN, BOB)
    assert [one["may_send"] for one in sharing] == [False, True]
    assert [one["may_send"] for one in message] == [True, False]


async def test_channels_are_apart(client, keys):
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    assert await check(client, keys.operator, ANNS_PHONE, channel="email") == [
        {"may_send": False, "reason": "unreadable"}
    ]
    digest = {"sha256": [sha256(ANNS_PHONE)]}
    assert await check(client, keys.operator, channel="post", **digest) == [{"may_send": True}]
    assert [one["may_send"] for one in await check(client, keys.texter, **digest)] == [False]


async def test_the_answer_says_until_when_it_is_good(client, keys, clock):
    reply = await client.post(f"{ACME}/check", headers=keys.mailer, json={"addresses": [ANN]})
    answer = await reply.json()
    assert answer["as_of"] < answer["valid_until"]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"addresses": [ANN], "topic": "nonsense"}, (422, "unknown_topic")),
        ({"addresses": []}, (400, "invalid_body")),
        ({"sha256": []}, (400, "invalid_body")),
        ({"addresses": ["a@example.org"] * 10_001}, (400, "invalid_body")),
        ({"addresses": [ANN], "sha256": [sha256(ANN)]}, (400, "invalid_body")),
        ({}, (400, "invalid_body")),
        ({"addresses": [7]}, (400, "invalid_body")),
        ({"addresses": [ANN], "message_class": "spam"}, (400, "invalid_body")),
        ({"addresses": [ANN], "purpose": "fun"}, (400, "invalid_body")),
        ({"addresses": [ANN], "nonsense": 1}, (400, "invalid_body")),
        ({"addresses": [ANN], "channel": "sms"}, (403, "not_allowed")),
    ],
)
async def test_a_question_that_cannot_be_understood_is_refused(client, keys, body, refusal):
    reply = await client.post(f"{ACME}/check", headers=keys.mailer, json=body)
    assert await problem(reply) == refusal
    assert ANN not in await reply.text()


async def test_a_body_beyond_the_limit_is_refused(client, keys, service):
    body = io.BytesIO(b" " * (service.settings.body_bytes_max + 1))
    reply = await client.post(f"{ACME}/check", headers=keys.mailer, data=body)
    assert await problem(reply) == (413, "body_too_large")


async def test_a_topic_of_another_channel_is_refused(client, keys):
    body = {"addresses": [ANNS_PHONE], "topic": "offers"}
    reply = await client.post(f"{ACME}/check", headers=keys.texter, json=body)
    assert await problem(reply) == (422, "unknown_topic")


async def test_an_operator_names_the_channel(client, keys):
    reply = await client.post(f"{ACME}/check", headers=keys.operator, json={"addresses": [ANN]})
    assert await problem(reply) == (400, "invalid_parameter")
