"""What every provider of text messages must do, claimed of each (S-40).

docs/adding-a-provider.md says how another joins: with a cast of its own in `providers`.
"""

import asyncio
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from prometheus_client import REGISTRY

from prefsvc.sms.message import Provider
from tests.sms.providers import CASTS, Failed, Said
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE
from tests.support.doubtful import listed

OF_NO_BRAND = "+12025550177"


@pytest.fixture(params=CASTS, ids=lambda cast: cast.name)
def provider(request):
    return request.param


@pytest.fixture
def post(client, clock):
    async def post(posted):
        clock.move(seconds=31)  # what crosses a STOP lifts nothing (S-20)
        return await client.post(posted.path, data=posted.body, headers=posted.headers)

    return post


@pytest.fixture
def text(post, provider):
    async def text(words="STOP", message_id="one-1", **more):
        reply = await post(provider.message(Said(words, message_id, **more)))
        assert reply.status in {200, 204}, await reply.text()
        return reply

    return text


@pytest.fixture
def may_text(client, keys):
    async def asked(**more):
        reply = await client.post(
            "/v1/brands/acme/check", headers=keys.texter, json={"addresses": [ANNS_PHONE], **more}
        )
        return (await reply.json())["results"][0]["may_send"]

    return asked


@pytest.fixture
def recorded(service):
    async def rows():
        found = await service.database.pool.fetch(
            "select act, reason, source from preference_event order by recorded_at"
        )
        return [tuple(row) for row in found]

    return rows


def missed(provider, code):
    labels = {"brand": "acme", "provider": provider.name, "code": code}
    return REGISTRY.get_sample_value("prefsvc_missed_opt_outs_total", labels) or 0


def test_every_provider_has_a_cast():
    assert sorted(cast.name for cast in CASTS) == sorted(get_args(Provider))


@pytest.mark.parametrize("opt_out_type", [None, "STOP", "START", "HELP"])
def test_the_same_message_is_read_alike_from_every_provider(opt_out_type):
    said = Said("stop 🛑 now", opt_out_type=opt_out_type)
    shared = ("message_id", "network", "from_", "to", "body", "opt_out_type", "media_count")
    read = {cast.name: cast.read(cast.message(said).body) for cast in CASTS}
    assert {name: one.provider for name, one in read.items()} == {name: name for name in read}
    assert len({tuple(getattr(one, name) for name in shared) for one in read.values()}) == 1
    assert {one.address().canonical for one in read.values()} == {ANNS_PHONE}


@pytest.mark.parametrize(
    "words", ["STOP", " stop. ", "STOP ALL", "opt out", "ＳＴＯＰ", "Unsubscribe"]
)
async def test_a_stop_stops_every_marketing_text_of_the_brand(text, may_text, words):
    await text(words)
    assert not await may_text()
    assert not await may_text(topic="news")
    assert await may_text(message_class="transactional")


@pytest.mark.parametrize("words", ["Pls stop txting me", "take me off ur list", "no más mensajes"])
async def test_a_stop_in_other_words_is_a_stop(text, may_text, words):
    await text(words)
    assert not await may_text()


@pytest.mark.parametrize("words", ["I can't stop laughing", "YES", "see you at 8", ""])
async def test_an_ordinary_text_changes_nothing(text, may_text, recorded, words):
    await text(words)
    assert await may_text()
    assert not await recorded()


async def test_start_lifts_what_stop_stopped(text, may_text):
    await text("STOP", "one-1")
    await text("START", "one-2")
    assert await may_text()


async def test_help_changes_nothing(text, may_text, recorded):
    await text("HELP")
    assert await may_text()
    assert not await recorded()


async def test_what_the_provider_heard_counts_whatever_the_words(text, may_text):
    await text("baja", "one-1", opt_out_type="STOP")
    assert not await may_text()
    await text("join", "one-2", opt_out_type="START")
    assert await may_text()


@pytest.mark.parametrize(("words", "opt_out_type"), [("YES", "START"), ("STOP", "START")])
async def test_the_provider_cannot_turn_a_stop_or_a_yes_into_a_start(
    text, may_text, words, opt_out_type
):
    await text("STOP", "one-1")
    await text(words, "one-2", opt_out_type=opt_out_type)
    assert not await may_text()


async def test_a_wrong_number_goes_to_people_and_is_suppressed_meanwhile(
    text, may_text, client, keys
):
    await text("sorry, you have the wrong number")
    [review] = await listed(client, keys)
    assert review["state"] == "open"
    assert not await may_text()


async def test_the_same_message_many_times_at_once_is_one_opt_out(text, recorded, provider):
    await asyncio.gather(*[text("STOP") for _ in range(10)])
    assert await recorded() == [("opt_out", "opt_out", "sms_reply")]


async def test_a_message_that_is_replayed_changes_nothing(post, text, may_text, provider):
    stop = provider.message(Said("STOP", "one-1"))
    start = provider.message(Said("START", "one-2"))
    for posted in (stop, start, stop):
        await post(posted)
    assert await may_text()
    await text("STOP", "one-3")
    await post(start)
    assert not await may_text()


async def test_ids_of_different_providers_are_different_messages(post, may_text, recorded):
    for cast in CASTS:
        await post(cast.message(Said("STOP", "the-same-id")))
    assert len(await recorded()) == len(CASTS)


async def test_what_somebody_else_signed_is_refused(post, may_text, provider):
    reply = await post(provider.by_another(Said("STOP")))
    assert (reply.status, (await reply.json())["code"]) == (403, "unsigned_webhook")
    assert ANNS_PHONE not in await reply.text()
    assert await may_text()


async def test_an_altered_body_is_refused(post, may_text, provider):
    posted = provider.message(Said("HELLO"))
    reply = await post(posted.with_body(posted.body.replace(b"HELLO", b"STOP")))
    assert reply.status == 403
    assert await may_text()


async def test_a_signature_that_is_missing_twice_there_or_broken_is_refused(
    post, may_text, provider
):
    posted = provider.message(Said("STOP"))
    for name in provider.signing:
        without = MultiDict((one, value) for one, value in posted.headers.items() if one != name)
        twice = MultiDict([*posted.headers.items(), (name, posted.headers[name])])
        broken = [MultiDict([*without.items(), (name, bad)]) for bad in ("", "é", "A" * 5000)]
        for headers in (without, twice, *broken):
            assert (await post(posted.with_headers(headers))).status == 403, name
    assert await may_text()


async def test_a_number_of_no_brand_is_a_clear_problem(post, provider):
    of_nobody = Failed(provider.missed, from_=OF_NO_BRAND)
    for posted in (provider.message(Said("STOP", to=OF_NO_BRAND)), provider.failure(of_nobody)):
        reply = await post(posted)
        assert reply.status == 404
        assert (await reply.json())["code"] == "unknown_recipient_number"


async def test_a_short_code_that_writes_is_nobody_whom_one_could_text(text, recorded):
    await text("STOP", from_="72645")
    assert not await recorded()


async def test_an_opt_out_that_only_the_provider_heard_is_recorded_and_counted(
    post, may_text, recorded, provider
):
    before = missed(provider, provider.missed)
    for _ in range(2):
        assert (await post(provider.failure(Failed(provider.missed)))).status == 204
    assert not await may_text()
    assert await may_text(message_class="transactional")
    assert await recorded() == [("opt_out", "opt_out", "provider_block")]
    assert missed(provider, provider.missed) == before + 1


async def test_an_opt_out_that_we_know_was_not_missed(post, text, provider):
    before = missed(provider, provider.missed)
    await text("STOP")
    await post(provider.failure(Failed(provider.missed, "one-2")))
    assert missed(provider, provider.missed) == before


async def test_a_number_that_takes_no_texts_is_undeliverable(post, may_text, recorded, provider):
    before = missed(provider, provider.undeliverable)
    assert (await post(provider.failure(Failed(provider.undeliverable)))).status == 204
    assert not await may_text(message_class="transactional")
    assert await recorded() == [("opt_out", "undeliverable", "provider_block")]
    assert missed(provider, provider.undeliverable) == before


async def test_any_other_error_says_nothing_of_the_person(post, recorded, provider):
    assert (await post(provider.failure(Failed(provider.passing)))).status == 204
    assert not await recorded()


async def test_the_evidence_says_where_it_came_from_and_not_the_person(text, service, provider):
    await text("Bitte stop the offers")
    evidence = await service.database.pool.fetchval("select content from evidence")
    told = {name: evidence[name] for name in ("provider", "message_id", "to", "body", "rule")}
    assert told == {
        "provider": provider.name,
        "message_id": "one-1",
        "to": ACMES_NUMBER,
        "body": "Bitte stop the offers",
        "rule": "stop_sending",
    }
    assert ANNS_PHONE not in str(evidence)


async def test_a_body_over_the_limit_is_refused(post, provider):
    posted = provider.message(Said("STOP"))
    assert (await post(posted.with_body(b"x" * 70_000))).status == 413


async def test_get_without_a_signature_changes_nothing(client, provider, recorded):
    assert (await client.get(provider.message(Said("STOP")).path)).status in {403, 405}
    assert not await recorded()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
async def test_nothing_that_is_unsigned_is_ever_a_fault(post, provider, body):
    posted = provider.message(Said("STOP"))
    reply = await post(posted.with_body(body))
    assert reply.status == 403
