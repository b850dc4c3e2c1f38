"""Where a recipient is decides whose rules count: by API field, link or telephone number."""

import json
from datetime import datetime, timedelta

import pytest

from prefsvc import links
from prefsvc.links import Link
from tests.support.cast import ANN, ANNS_PHONE

NEW_ZEALAND = "+6421123456"


@pytest.fixture
def say(client, keys):
    """Record an opt-out and read its deadline."""

    async def said(address=ANN, *, channel="email", **more):
        reply = await client.post(
            "/v1/brands/acme/opt-outs",
            headers=keys.operator,
            json={"channel": channel, "address": address, **more},
        )
        assert reply.status == 201, await reply.text()
        return await read((await reply.json())["opt_out_id"])

    async def read(opt_out_id):
        reply = await client.get(f"/v1/brands/acme/opt-outs/{opt_out_id}", headers=keys.operator)
        return (await reply.json())["deadline"]

    said.read = read
    return said


@pytest.fixture
def press(client, service, say):
    """Press a link and read the deadline of what came of it."""

    async def pressed(url):
        reply = await client.post(url, data=b"List-Unsubscribe=One-Click")
        assert reply.status == 200
        newest = "select event_id from preference_event order by recorded_at desc limit 1"
        return await say.read(await service.database.pool.fetchval(newest))

    return pressed


def rules(deadline):
    return [one["id"] for one in deadline["reckonings"]]


async def test_without_a_country_the_brands_list_counts(say):
    deadline = await say()
    assert (deadline["country"], rules(deadline)) == (None, ["can-spam", "promise"])


async def test_the_country_that_a_caller_names_drops_and_adds_rules(say):
    deadline = await say(country="NZ")
    assert deadline["country"] == "NZ"
    assert rules(deadline) == ["new-zealand", "promise"]
    assert (deadline["added"], deadline["dropped"]) == (["new-zealand"], ["can-spam"])
    assert deadline["set_by"] == "new-zealand"


async def test_the_whole_reasoning_is_told_in_words(say):
    deadline = await say(country="NZ")
    first, second, aim, country, *windows, last = deadline["explanation"]
    assert first.startswith("The deadline is ")
    assert second.startswith("new-zealand says so; in the ordinary reading: ")
    assert aim.startswith("The brand aims at ")
    assert country.startswith("The recipient's country is New Zealand (NZ).")
    assert [line.partition(",")[0] for line in windows] == ["- new-zealand", "- promise"]
    assert last == f"Holidays as in {deadline['calendar']}."


async def test_a_telephone_number_tells_its_country(say):
    deadline = await say(NEW_ZEALAND, channel="sms")
    assert (deadline["country"], rules(deadline)) == ("NZ", ["new-zealand", "house-default"])
    deadline = await say(ANNS_PHONE, channel="sms")
    assert (deadline["country"], rules(deadline)) == ("US", ["tcpa", "do-not-call", "florida"])


async def test_what_a_caller_knows_goes_before_what_a_number_shows(say):
    assert (await say(NEW_ZEALAND, channel="sms", country="AU"))["country"] == "AU"


@pytest.mark.parametrize("country", ["", "UK", "NZL", "ZZ", "XK", "n z"])
async def test_an_opt_out_is_recorded_even_if_its_country_is_none(say, country):
    deadline = await say(country=country)
    assert (deadline["country"], rules(deadline)) == (None, ["can-spam", "promise"])


async def test_a_number_tells_its_country_where_the_caller_names_none_that_there_is(say):
    assert (await say(NEW_ZEALAND, channel="sms", country="UK"))["country"] == "NZ"


@pytest.mark.parametrize("country", ["nz", "Nz", " NZ "])
async def test_a_country_may_be_written_in_any_case(say, country):
    assert (await say(country=country))["country"] == "NZ"


def sealed(service, **more):
    return f"/u/{links.seal(service.book.keyring.key('acme'), Link('email', ANN, **more))}"


async def test_a_sealed_link_tells_the_country(press, service):
    assert (await press(sealed(service, country="AU")))["set_by"] == "australia"


async def test_a_link_with_a_code_that_is_no_country_works_all_the_same(press, service):
    assert (await press(sealed(service, country="ZZ")))["country"] is None


async def short(client, keys, **more):
    reply = await client.post(
        "/v1/brands/acme/links",
        headers=keys.mailer,
        data=json.dumps({"address": ANN, "form": "short", **more}),
    )
    return json.loads(await reply.text())


async def test_a_short_link_tells_the_country(client, keys, press):
    with_country, without = [
        (await short(client, keys, **more))["token"] for more in ({"country": "HK"}, {})
    ]
    assert with_country != without
    assert (await press(f"/u/{with_country}"))["country"] == "HK"


async def test_the_same_short_link_is_stored_once_for_each_country(client, keys, service):
    made = [(await short(client, keys, country=one))["token"] for one in ("HK", "SG", "HK")]
    assert made[0] == made[2] != made[1]
    assert await service.database.pool.fetchval("select count(*) from short_link") == 2


@pytest.mark.parametrize("form", ["sealed", "short"])
async def test_no_link_is_minted_for_what_is_no_country(client, keys, form):
    made = await short(client, keys, country="UK", form=form)
    assert made["problem"]["code"] == "unknown_country"


async def test_headers_carry_the_country_in_their_link(client, keys, press):
    reply = await client.post(
        "/v1/brands/acme/headers", headers=keys.mailer, json={"address": ANN, "country": "SG"}
    )
    url = (await reply.json())["url"]
    assert (await press(url.removeprefix("https://stop.example.com")))["country"] == "SG"


@pytest.mark.parametrize("country", ["NZ", "AU", "US", "GB", "DE"])
async def test_no_opt_out_from_any_country_falls_due_within_a_lease(client, keys, say, country):
    feed = await client.get("/v1/brands/acme/feed", headers=keys.mailer)
    page = await feed.json()
    as_of, until = (datetime.fromisoformat(page[key]) for key in ("as_of", "valid_until"))
    deadline = await say(country=country)
    assert datetime.fromisoformat(deadline["conservative_at"]) >= until
    assert until - as_of > timedelta(days=2)
