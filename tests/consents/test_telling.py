"""What Twilio is told, by the test's own clock: lanes, states, and never an opt-in too many."""

import asyncio
from datetime import timedelta

import pytest

from prefsvc.consents import backlog
from prefsvc.installation import begin_epoch
from prefsvc.suppression import Scope
from prefsvc.work.consents import teller
from tests.consents.telling import NUMBER, SERVICE, TARGETS, Telling, phone
from tests.support.cast import ANN, ANNS_PHONE
from tests.support.lists import sha256
from tests.support.register import act, record, withdraw

MEXICAN, OTHERWISE = "+5215555550123", "+525555550123"


def statuses(telling, contact=ANNS_PHONE):
    """Return what was told of a number at each target, in order."""
    return {target: telling.twilio.statuses(contact, target) for target in TARGETS}


def at_both(*told):
    return {target: list(told) for target in TARGETS}


async def test_an_opt_out_is_told_to_every_target_once(telling):
    await telling.see()
    said_at = telling.service.now() - timedelta(days=3)
    await telling.stops(ANNS_PHONE, source="letter", received_at=said_at)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")
    [one, other] = telling.twilio.items
    assert one["correlation_id"] != other["correlation_id"]
    assert {one["source"], other["source"]} == {"offline"}
    assert one["date_of_consent"] == f"{said_at:%Y-%m-%dT%H:%M:%SZ}"
    assert len(telling.twilio.told) == 1
    assert await telling.rows() == []


async def test_what_was_recorded_before_is_told_too(telling):
    await telling.stops(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")


@pytest.mark.parametrize(
    "said",
    [
        {"scope": Scope("topic", "news")},
        {"scope": Scope("third_party_sharing")},
        {"reason": "undeliverable"},
        {"reason": "restriction"},
        {"reason": "reassigned", "scope": Scope("brand")},
    ],
)
@pytest.mark.parametrize("is_seen", [True, False])
async def test_what_is_no_stop_to_all_texts_tells_nothing(telling, said, is_seen):
    if is_seen:
        await telling.see()
    await telling.stops(ANNS_PHONE, **said)
    await telling.starts(ANNS_PHONE, **said)
    await telling.until_quiet()
    assert telling.twilio.items == []


@pytest.mark.parametrize("said", [{"scope": Scope("brand")}, {"reason": "complaint"}])
async def test_a_stop_to_the_whole_brand_and_a_complaint_are_told(telling, said):
    await telling.see()
    await telling.stops(ANNS_PHONE, **said)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")


SPELLINGS = ("+5215555550123", "+525555550123")
"""One number of Mexico, as it was written until 2019 and since."""


async def test_every_spelling_of_a_number_is_told_and_let_go(telling):
    await telling.see()
    one, other = SPELLINGS
    await telling.stops(one)
    await telling.until_quiet()
    assert statuses(telling, one) == statuses(telling, other) == at_both("opt-out")
    telling.clock.move(minutes=5)
    await telling.starts(one)
    await telling.until_quiet()
    assert statuses(telling, one) == statuses(telling, other) == at_both("opt-out", "opt-in")


async def test_a_start_of_one_spelling_does_not_let_go_what_was_said_of_another(telling):
    await telling.see()
    one, other = SPELLINGS
    await telling.stops(one)
    await telling.stops(other)
    telling.clock.move(minutes=5)
    await telling.starts(other)
    await telling.until_quiet()
    assert statuses(telling, one) == statuses(telling, other) == at_both("opt-out")


async def test_the_last_owners_start_opts_no_stranger_in(telling):
    """S-33. Until the stranger agrees."""
    await telling.see()
    await telling.stops(ANNS_PHONE)
    await telling.until_quiet()
    await telling.starts(ANNS_PHONE)
    await telling.stops(ANNS_PHONE, reason="reassigned", scope=Scope("brand"), source="import")
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")


async def test_mail_is_no_concern_of_twilios(telling):
    await telling.see()
    await record(telling.service, act(telling.service, ANN, channel="email"))
    await telling.until_quiet()
    assert telling.twilio.items == []


async def test_a_stop_on_whatsapp_is_told_only_if_it_reaches_texts(telling):
    """S-31: Twilio's list is that of texts."""
    await telling.see()
    alone, reaching = phone(130), phone(131)
    scopes = {alone: Scope("channel"), reaching: Scope("brand")}
    for number, scope in scopes.items():
        said = act(telling.service, number, channel="whatsapp", scope=scope)
        await record(telling.service, said)
    await telling.until_quiet()
    assert statuses(telling, alone) == at_both()
    assert statuses(telling, reaching) == at_both("opt-out")


async def test_a_stop_that_stands_on_whatsapp_alone_hides_no_start(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE)
    await record(telling.service, act(telling.service, ANNS_PHONE, channel="whatsapp"))
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-in")


async def test_what_is_said_on_whatsapp_opts_nobody_into_texts(telling):
    await telling.stops(ANNS_PHONE)
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.see()
    said = act(telling.service, ANNS_PHONE, channel="whatsapp", source="sms_reply")
    await record(telling.service, said)
    telling.clock.move(minutes=5)
    await withdraw(telling.service, said)
    await telling.until_quiet()
    assert telling.twilio.items == []


async def test_an_opt_in_bears_the_moment_when_texts_were_wanted_again(telling):
    await telling.see()
    said = act(telling.service, ANNS_PHONE, channel="whatsapp", source="sms_reply")
    await telling.stops(ANNS_PHONE)
    await record(telling.service, said)
    telling.clock.move(minutes=5)
    at = telling.service.now()
    await telling.starts(ANNS_PHONE, sent_at=at)
    telling.clock.move(minutes=5)
    await withdraw(telling.service, said)
    await telling.until_quiet()
    assert {item["date_of_consent"] for item in telling.twilio.items} == {
        f"{at:%Y-%m-%dT%H:%M:%SZ}"
    }


async def test_another_brands_opt_outs_are_not_told(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE, brand="globex")
    await telling.until_quiet()
    assert telling.twilio.items == []


async def test_a_start_is_told_as_an_opt_in_to_every_target(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE, source="sms_reply")
    await telling.until_quiet()
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out", "opt-in")
    sources = [item["source"] for item in telling.twilio.items]
    assert sources == ["opt-out-message"] * 2 + ["opt-in-message"] * 2
    assert telling.twilio.items[2]["date_of_consent"] > telling.twilio.items[0]["date_of_consent"]


async def test_a_stop_and_a_start_before_a_round_are_one_opt_in(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE)
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-in")


async def test_a_second_opt_in_does_not_hide_the_first(telling):
    """The state then names an event that lifted nothing; the ledger knows the one that did."""
    await telling.see()
    await telling.stops(ANNS_PHONE)
    for _ in range(2):
        telling.clock.move(minutes=5)
        await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-in")


async def test_while_anything_else_stands_nobody_is_opted_in(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE)
    await telling.stops(ANNS_PHONE, reason="complaint")
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")
    await telling.starts(ANNS_PHONE, reason="complaint")
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out", "opt-in")


@pytest.mark.parametrize("more", [{"scope": Scope("brand")}, {"reason": "complaint"}])
async def test_a_start_that_lifts_nothing_is_answered_with_the_opt_out_that_stands(telling, more):
    """Twilio heard the START, too, and took its own block away."""
    await telling.see()
    await telling.stops(ANNS_PHONE, **more)
    await telling.until_quiet()
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out", "opt-out")


async def test_a_start_of_somebody_who_came_back_long_ago_opts_nobody_in(telling):
    await telling.stops(ANNS_PHONE)
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.see()
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert telling.twilio.items == []


@pytest.mark.parametrize("is_seen", [True, False])
async def test_a_stop_is_told_of_the_other_spelling_of_its_number_too(telling, is_seen):
    """Twilio's list is of numbers as they are written, and whoever texts may have either."""
    if is_seen:
        await telling.see()
    await telling.stops(MEXICAN)
    await telling.until_quiet()
    assert statuses(telling, MEXICAN) == statuses(telling, OTHERWISE) == at_both("opt-out")


async def test_an_opt_in_takes_back_what_was_told_of_the_other_spelling(telling):
    """Or a text to it would be refused, and the refusal be taken for a new opt-out (S-27)."""
    await telling.see()
    await telling.stops(MEXICAN)
    await telling.until_quiet()
    telling.clock.move(minutes=5)
    await telling.starts(MEXICAN)
    await telling.until_quiet()
    assert statuses(telling, MEXICAN) == at_both("opt-out", "opt-in")
    assert statuses(telling, OTHERWISE) == at_both("opt-out", "opt-in")


async def test_a_start_in_one_spelling_opens_nothing_that_was_said_in_the_other(telling):
    await telling.see()
    await telling.stops(MEXICAN)
    await telling.stops(OTHERWISE)
    await telling.until_quiet()
    telling.clock.move(minutes=5)
    await telling.starts(MEXICAN)
    await telling.until_quiet()
    for spelling in (MEXICAN, OTHERWISE):
        told = statuses(telling, spelling)
        assert all({*words} == {"opt-out"} for words in told.values())


@pytest.mark.parametrize("source", ["sms_reply", "import", "form", "purchase"])
async def test_who_was_never_opted_out_is_never_opted_in(telling, source):
    await telling.see()
    await telling.starts(ANNS_PHONE, source=source)
    await telling.until_quiet()
    assert telling.twilio.items == []


@pytest.mark.parametrize("source", ["import", "form", "purchase", "registration"])
async def test_no_opt_in_but_the_persons_own_word_is_told(telling, source):
    await telling.see()
    await telling.stops(ANNS_PHONE)
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE, source=source)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")


async def test_an_imported_opt_out_is_told_after_the_fresh_ones(telling):
    await telling.see()
    imported = [phone(number) for number in range(130, 170)]
    await telling.stops(*imported, source="import")
    await telling.stops(ANNS_PHONE)
    await telling.until_quiet()
    told = [item["contact_id"] for item in telling.twilio.items]
    assert told[:2] == [ANNS_PHONE] * 2
    assert sorted(told[2:]) == sorted(imported * 2)
    assert {item["status"] for item in telling.twilio.items} == {"opt-out"}


async def test_an_import_does_not_put_back_what_somebody_said_in_person(telling):
    await telling.see()
    telling.twilio.answers = [503]
    await telling.stops(ANNS_PHONE)
    await telling.round(seconds=1)
    await telling.stops(ANNS_PHONE, source="import", reason="complaint")
    await telling.round()
    assert [row["is_fresh"] for row in await telling.rows()] == [True] * len(TARGETS)


async def test_who_came_back_before_the_target_was_seen_is_not_opted_in(telling):
    """Twilio may have heard a STOP since then that nobody told us of: an opt-in overrides it."""
    await telling.stops(ANNS_PHONE)
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert telling.twilio.items == []
    assert await telling.rows() == []


async def test_who_came_back_before_is_told_by_an_import_as_opted_out_only(telling):
    await telling.stops(ANNS_PHONE)
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.see()
    telling.clock.move(minutes=5)
    await telling.stops(ANNS_PHONE, source="import")
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")


async def test_who_comes_back_after_an_import_is_opted_in(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE, source="import")
    await telling.until_quiet()
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out", "opt-in")


async def test_twenty_six_become_two_requests(telling):
    await telling.see()
    await telling.stops(*[phone(number) for number in range(100, 113)])
    await telling.until_quiet()
    assert [len(one.items) for one in telling.twilio.told] == [25, 1]


async def test_what_is_due_first_is_told_first(telling):
    await telling.see()
    now = telling.service.now()
    early = [phone(number) for number in range(150, 163)]
    await telling.stops(*[phone(number) for number in range(130, 143)], received_at=now)
    await telling.stops(*early, received_at=now - timedelta(days=9))
    await telling.round(seconds=1)
    [first] = telling.twilio.told
    assert len(first.items) == 25
    assert {item["contact_id"] for item in first.items} <= set(early)


async def test_a_lift_while_the_opt_out_is_under_way_ends_as_an_opt_in(telling):
    """And nothing else is told of the number before the answer is there."""
    await telling.see()
    await telling.stops(ANNS_PHONE)
    requests = []

    async def meanwhile(_):
        telling.clock.move(seconds=1)
        await telling.starts(ANNS_PHONE)
        for _ in range(3):
            telling.clock.move(seconds=1)
            await telling.teller.begin()
        requests.append(len(telling.twilio.told))
        return telling.twilio._answer(telling.twilio.told[-1])

    telling.twilio.answers = [meanwhile]
    await telling.round(seconds=1)
    assert requests == [1]
    assert len(await telling.rows()) == len(TARGETS)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out", "opt-in")
    assert await telling.rows() == []


async def test_a_number_that_was_erased_is_dropped(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE, phone(101))
    pool = telling.service.database.pool
    row = await pool.fetchrow("select address_key from address where canonical = $1", ANNS_PHONE)
    sealed = telling.service.vault.seal_sha256(
        row["address_key"], bytes.fromhex(sha256(ANNS_PHONE))
    )
    await pool.execute(
        "update address set canonical = null, as_written = null, sealed_sha256 = $2"
        " where address_key = $1",
        row["address_key"],
        sealed,
    )
    await telling.until_quiet()
    assert {item["contact_id"] for item in telling.twilio.items} == {phone(101)}
    assert await telling.rows() == []


async def test_after_a_restore_all_that_stands_is_told_again_and_nobody_is_opted_in(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE, phone(101))
    telling.clock.move(minutes=5)
    await telling.starts(phone(101))
    await _restore(telling.service)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")
    assert statuses(telling, phone(101)) == at_both()
    await telling.starts(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out", "opt-in")


async def test_an_opt_in_that_waits_when_the_register_is_restored_is_not_told(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE)
    await telling.until_quiet()
    telling.clock.move(minutes=5)
    await telling.starts(ANNS_PHONE)
    telling.twilio.answers = [503]
    await telling.round()
    assert len(await telling.rows()) == 2
    await _restore(telling.service)
    await telling.until_quiet(seconds=60)
    # Only the attempt before the restore; nothing after it.
    assert statuses(telling) == at_both("opt-out", "opt-in")
    assert await telling.rows() == []


async def _restore(service):
    async with service.database.transaction() as tx:
        history = await tx.conn.fetchval("select server_history from installation")
        await begin_epoch(tx, previous_history=history, history=history)


async def test_a_brand_that_is_retired_tells_nothing(telling):
    await telling.see()
    await telling.stops(ANNS_PHONE)
    await telling.service.database.pool.execute(
        "update brand set retired_at = now() where slug = 'acme'"
    )
    await telling.service.refresh_book()
    await telling.until_quiet()
    assert telling.twilio.items == []


async def test_a_long_history_is_read_in_pieces_and_waits_in_the_ledger(telling):
    telling.service.settings = telling.service.settings.model_copy(
        update={"twilio_backlog_max": 30, "twilio_positions_max": 10}
    )
    numbers = [phone(number) for number in range(100, 180)]
    await telling.stops(*numbers)
    telling.twilio.answers = [503] * 4
    most = 0
    for _ in range(60):
        await telling.round(seconds=1)
        most = max(most, len(await telling.rows()))
    assert 10 <= most <= 30
    assert all(
        {*statuses(telling, one)[target]} == {"opt-out"} for one in numbers for target in TARGETS
    )


async def test_the_numbers_can_be_left_to_the_services(telling):
    await _leave_the_numbers_out(telling)
    await telling.stops(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == {SERVICE: ["opt-out"], NUMBER: []}


async def _leave_the_numbers_out(telling):
    pool = telling.service.database.pool
    await pool.execute(
        "update brand set definition = jsonb_set(definition, '{sms,twilio_numbers}', 'false'),"
        " applied_at = now() where slug = 'acme'"
    )
    await telling.service.refresh_book()


async def test_what_waits_at_a_target_that_is_told_no_more_takes_no_room(telling):
    """Leaving the numbers out is the way out of a long backlog: it must not end the telling."""
    telling.service.settings = telling.service.settings.model_copy(update={"twilio_backlog_max": 4})
    await telling.see()
    telling.twilio.answers = [503]
    await telling.stops(*(phone(number) for number in range(130, 134)))
    await telling.round()
    # All the lane's room is taken by rows of the number.
    await telling.service.database.pool.execute("update twilio_consent set target = $1", NUMBER)
    await _leave_the_numbers_out(telling)
    await telling.stops(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == {SERVICE: ["opt-out"], NUMBER: []}


async def test_where_too_much_fails_the_backfill_waits_and_peoples_own_words_do_not(telling):
    telling.service.settings = telling.service.settings.model_copy(
        update={"twilio_failed_max": 5, "twilio_positions_max": 1}
    )
    numbers = [phone(number) for number in range(130, 150)]
    telling.twilio.errors = dict.fromkeys(numbers, (30646, ["INVALID_SENDER_ID"]))
    await telling.stops(*numbers)
    await telling.until_quiet()
    assert len(await telling.rows()) == len(TARGETS) * 5
    await telling.stops(ANNS_PHONE)
    await telling.until_quiet()
    assert statuses(telling) == at_both("opt-out")
    telling.twilio.errors.clear()
    async with telling.service.database.transaction() as tx:
        brand = telling.service.book.get("acme")
        assert await backlog.retry(tx, telling.service.settings, brand) == len(TARGETS) * 5
    await telling.until_quiet()
    assert await telling.rows() == []
    assert all(statuses(telling, one)[NUMBER][-1] == "opt-out" for one in numbers)


async def test_two_processes_do_not_tell_the_same(telling):
    await telling.see()
    numbers = [phone(number) for number in range(100, 200)]
    await telling.stops(*numbers)
    async with teller(telling.service) as second:
        other = Telling(second, telling.twilio, telling.clock)
        await asyncio.gather(telling.until_quiet(), other.until_quiet())
    assert all(statuses(telling, one) == at_both("opt-out") for one in numbers)
