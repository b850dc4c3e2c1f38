"""Numbers that have another owner now (RULES S-33)."""

import re
from datetime import timedelta

import pytest

from prefsvc import links
from prefsvc.links import Link
from tests.sms.twilio_client import signed, sms
from tests.support.cast import ACMES_NUMBER, ANN, ANNS_PHONE, ORIGIN, TWILIO_TOKEN
from tests.support.doubtful import HOOK
from tests.support.lists import ACME, Follower, check, say_start, say_stop, snapshot

CONSENTS = ["confirmation", "form", "in_store", "letter", "phone", "preference_centre", "purchase"]
CLASSES = ["marketing", "transactional", "service"]


@pytest.fixture
def reassigned(client, keys):
    async def said(number=ANNS_PHONE, **more):
        body = {"channel": "sms", "reason": "reassigned", "source": "import"} | more
        return await say_stop(client, keys, number, **body)

    return said


@pytest.fixture
def consent(client, keys):
    async def said(source="form", number=ANNS_PHONE, **more):
        return await say_start(client, keys, number, channel="sms", source=source, **more)

    return said


@pytest.fixture
def why_not(client, keys):
    async def asked(number=ANNS_PHONE, **more):
        [verdict] = await check(client, keys.texter, number, **more)
        return verdict.get("reason")

    return asked


def ago(service, **by):
    return (service.now() - timedelta(**by)).isoformat()


@pytest.mark.parametrize("message_class", CLASSES)
@pytest.mark.parametrize("source", ["import", "api", "phone"])
async def test_nothing_is_sent_to_a_stranger_whatever_its_class(
    reassigned, why_not, message_class, source
):
    await reassigned(source=source)
    assert await why_not(message_class=message_class) == "reassigned"


async def test_it_is_about_the_number_whatever_scope_is_given(reassigned):
    for scope in ({"topic": "news"}, {"scope": "channel"}, {"scope": "brand"}, {}):
        assert (await reassigned(**scope))["scope"] == "brand"


async def test_it_has_a_deadline_counted_from_when_the_company_heard_of_it(
    reassigned, client, keys, service
):
    """It is no opt-out of a person, and every sender must hear of it all the same."""
    said = await reassigned(
        sent_at=ago(service, days=3), received_at=ago(service, days=2), country="US"
    )
    assert said["deadline_at"] > said["received_at"]
    feed = await Follower(client, keys.texter).catch_up()
    assert {slot[1:] for slot in feed.suppressed} == {("brand", None, "reassigned")}


async def test_it_keeps_the_opt_out(reassigned, consent, why_not, client, keys):
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    await reassigned()
    answer = await consent("form")
    assert (answer["lifted"], answer["also_lifted"]) == (False, ["reassigned"])
    assert await why_not() == "opt_out"
    assert await why_not(message_class="transactional") is None


@pytest.mark.parametrize("source", CONSENTS)
async def test_the_new_owners_later_consent_lifts_it(reassigned, consent, why_not, source):
    await reassigned()
    assert (await consent(source))["also_lifted"] == ["reassigned"]
    assert await why_not() is None


@pytest.mark.parametrize("about", [{"topic": "news"}, {"scope": "brand"}, {"scope": "channel"}])
async def test_a_consent_to_anything_is_one_of_whoever_has_the_number(
    reassigned, consent, why_not, about
):
    await reassigned()
    await consent(**about)
    assert await why_not() is None


async def test_a_consent_to_be_shared_is_none_to_be_written_to(reassigned, consent, why_not):
    await reassigned()
    assert (await consent(scope="third_party_sharing"))["also_lifted"] == []
    assert await why_not() == "reassigned"


async def test_an_import_lifts_nothing_of_it(reassigned, consent, why_not):
    """P-08: what is imported may be the last owner's consent."""
    await reassigned()
    assert (await consent("import"))["also_lifted"] == []
    assert not (await consent("import", reason="reassigned"))["lifted"]
    assert await why_not() == "reassigned"


async def test_the_last_owners_consent_lifts_nothing_of_it(reassigned, consent, why_not, service):
    await reassigned(sent_at=ago(service, days=10))
    assert (await consent(sent_at=ago(service, days=11)))["also_lifted"] == []
    assert await why_not() == "reassigned"
    assert (await consent(sent_at=ago(service, days=9)))["also_lifted"] == ["reassigned"]
    assert await why_not() is None


@pytest.mark.parametrize("reason", ["complaint", "undeliverable", "deactivated", "restriction"])
async def test_a_consent_lifts_no_other_reason_with_it(reassigned, consent, client, keys, reason):
    await say_stop(client, keys, ANNS_PHONE, channel="sms", reason=reason)
    await reassigned()
    assert (await consent("purchase"))["also_lifted"] == ["reassigned"]
    [row] = (await snapshot(client, keys.texter)).rows
    assert row["reason"] == reason


@pytest.mark.parametrize("reason", ["complaint", "undeliverable", "deactivated", "restriction"])
async def test_what_clears_another_reason_is_no_consent(reassigned, consent, why_not, reason):
    await reassigned()
    assert (await consent("phone", reason=reason))["also_lifted"] == []
    assert await why_not() == "reassigned"


async def test_it_can_be_lifted_by_its_name_and_then_alone(
    reassigned, consent, why_not, client, keys
):
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    await reassigned()
    answer = await consent("phone", reason="reassigned")
    assert (answer["lifted"], answer["scope"]) == (True, "brand")
    assert await why_not() == "opt_out"


async def test_a_start_is_the_new_owners_word_too(reassigned, why_not, client):
    await reassigned()
    form = sms("START", from_=ANNS_PHONE, to=ACMES_NUMBER)
    await client.post(HOOK, data=form, headers=signed(ORIGIN + HOOK, form, TWILIO_TOKEN))
    assert await why_not() is None


async def test_a_start_that_comes_twice_lifts_nothing_of_what_came_between(
    reassigned, why_not, client
):
    form = sms("START", from_=ANNS_PHONE, to=ACMES_NUMBER)
    for _ in range(2):
        await client.post(HOOK, data=form, headers=signed(ORIGIN + HOOK, form, TWILIO_TOKEN))
        await reassigned()
    assert await why_not() == "reassigned"


async def test_a_consent_where_nothing_of_it_stands_leaves_one_row(consent, service):
    await consent()
    assert await service.database.pool.fetchval("select count(*) from preference_event") == 1


async def test_a_number_can_change_hands_again(reassigned, consent, why_not, clock):
    for _ in range(2):
        await reassigned()
        assert await why_not() == "reassigned"
        clock.move(days=1)
        await consent()
        assert await why_not() is None
        clock.move(days=1)


async def test_an_address_of_another_kind_can_change_hands_as_well(client, keys):
    await say_stop(client, keys, ANN, reason="reassigned")
    [verdict] = await check(client, keys.mailer, ANN, message_class="transactional")
    assert verdict["reason"] == "reassigned"


async def test_a_receipt_sent_to_a_stranger_after_the_deadline_is_a_violation(
    reassigned, client, keys, service
):
    said = await reassigned(received_at=ago(service, days=100))
    line = {
        "address": ANNS_PHONE, "sent_at": ago(service, days=1), "message_class": "transactional",
    }  # fmt: skip
    reply = await client.post(f"{ACME}/sends", headers=keys.texter, json=line)
    verdict, _ = (await reply.text()).splitlines()
    assert '"violation"' in verdict
    assert said["opt_out_id"] in verdict


async def test_a_receipt_to_the_new_owner_is_clear(reassigned, consent, client, keys, service):
    await reassigned(received_at=ago(service, days=100))
    await consent(sent_at=ago(service, days=50))
    line = {
        "address": ANNS_PHONE, "sent_at": ago(service, days=1), "message_class": "transactional",
    }  # fmt: skip
    reply = await client.post(f"{ACME}/sends", headers=keys.texter, json=line)
    assert '"clear"' in (await reply.text()).splitlines()[0]


async def test_undo_of_a_click_in_an_old_message_is_no_word_of_the_new_owner(
    reassigned, why_not, client, service
):
    """The last owner still has the message, its link and its page (S-33)."""
    await reassigned()
    link = links.seal(service.book.keyring.key("acme"), Link("sms", ANNS_PHONE))
    done = await (await client.post(f"/u/{link}")).text()
    ticket = re.search(r'name="ticket" value="([^"]*)"', done)[1]
    reply = await client.post(f"/u/{link}/undo", data={"ticket": ticket})
    assert reply.status == 200
    assert await why_not() == "reassigned"
