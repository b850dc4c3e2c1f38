"""Cases: what operators look into, from opening to resolution."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from prefsvc import cases as rules
from prefsvc import senders
from prefsvc.web import case_api
from tests.support.cast import ANN, BOB
from tests.support.lists import ACME, problem, say_stop
from tests.support.sending import case, cases, register, report

SECOND = timedelta(seconds=1)


@pytest.fixture
async def late(client, keys, clock, service):
    """The moment a day after Ann's and Bob's deadlines, and it is later still."""
    clock.stop(service.now())
    said = await say_stop(client, keys, ANN)
    await say_stop(client, keys, BOB, scope="topic", topic="news", source="phone")
    at = datetime.fromisoformat(said["deadline_at"]) + timedelta(days=1)
    clock.stop(at + timedelta(days=1))
    return at


async def violate(client, keys, at, *, address=ANN, **more):
    """Report a message that was sent too late; return its case's id."""
    made = await report(
        client, keys.mailer, {"address": address, "sent_at": at.isoformat(), **more}
    )
    assert made.verdicts == ["violation"]
    return made.end["cases"][0]


async def note(client, headers, case_id, text="Asked the agency."):
    return await client.post(f"{ACME}/cases/{case_id}/notes", headers=headers, json={"note": text})


async def resolve(client, headers, case_id, cause="An old list was used.", **more):
    return await client.post(
        f"{ACME}/cases/{case_id}/resolution", headers=headers, json={"cause": cause, **more}
    )


async def test_it_shows_what_proves_the_violation(client, keys, late):
    case_id = await violate(client, keys, late, topic="news")
    shown = await case(client, keys.operator, case_id)
    assert (shown["kind"], shown["state"], shown["sender"]) == ("violation", "open", "mailer")
    [violation] = shown["violations"]
    assert violation["address"] == ANN
    assert datetime.fromisoformat(violation["sent_at"]) == late
    assert (violation["topic"], violation["message_class"]) == ("news", "marketing")
    assert (violation["had_heard"], violation["acknowledged_at"]) == (False, None)
    opt_out = violation["opt_out"]
    read = await client.get(f"{ACME}/opt-outs/{opt_out['opt_out_id']}", headers=keys.operator)
    recorded = await read.json()
    assert opt_out["deadline"] == recorded["deadline"]
    assert opt_out["deadline_at"] == recorded["deadline_at"]
    assert shown["evidence"]["deadline"]["set_by"] == recorded["deadline"]["set_by"]
    assert shown["evidence"]["opt_out_id"] == opt_out["opt_out_id"]


async def test_an_erased_address_is_not_shown_and_the_violation_is(client, keys, late, service):
    case_id = await violate(client, keys, late)
    await service.database.pool.execute(
        "update address set canonical = null, as_written = null, sealed_sha256 = '\\x00', "
        "erased_at = '2026-01-01'"
    )
    shown = await case(client, keys.operator, case_id)
    assert [one["address"] for one in shown["violations"]] == [None]


async def test_each_mailing_has_a_case_and_more_violations_join_it(client, keys, late, service):
    await register(client, keys.mailer, "spring")
    unnamed = await violate(client, keys, late)
    spring = await violate(client, keys, late, mailing="spring")
    assert await violate(client, keys, late + SECOND, mailing="spring") == spring
    shown = {one["case_id"]: one for one in await cases(client, keys.operator)}
    assert {key: (one["mailing"], one["violation_count"]) for key, one in shown.items()} == {
        unnamed: (None, 1),
        spring: ("spring", 2),
    }


async def test_violations_are_paged_in_the_order_they_were_sent(client, keys, late):
    moments = [late + number * SECOND for number in (3, 1, 2, 2)]
    made = await report(
        client,
        keys.mailer,
        *[
            {"address": address, "sent_at": at.isoformat(), "topic": "news"}
            for at, address in zip(moments, (ANN, ANN, ANN, BOB), strict=True)
        ],
    )
    [case_id] = made.end["cases"]
    found, after = [], {}
    while True:
        shown = await case(client, keys.operator, case_id, limit="1", **after)
        found += [datetime.fromisoformat(one["sent_at"]) for one in shown["violations"]]
        if shown["next"] is None:
            break
        after = {"after": shown["next"]}
    assert found == sorted(moments)


async def test_notes_are_kept_with_who_wrote_them(client, keys, late):
    case_id = await violate(client, keys, late)
    for text in ("Asked the agency.", "They answered."):
        assert (await note(client, keys.operator, case_id, text)).status == 201
    shown = await case(client, keys.operator, case_id)
    assert sorted(one["note"] for one in shown["notes"]) == ["Asked the agency.", "They answered."]
    key_id = keys.operator["Authorization"].split("_")[1]
    assert {one["noted_by"] for one in shown["notes"]} == {f"test (key {key_id})"}


async def test_of_many_notes_the_newest_are_shown_and_all_are_counted(
    client, keys, late, clock, monkeypatch
):
    monkeypatch.setattr(case_api, "NOTES_SHOWN", 2)
    case_id = await violate(client, keys, late)
    for text in ("One.", "Two.", "Three."):
        await note(client, keys.operator, case_id, text)
        clock.move(minutes=1)
    shown = await case(client, keys.operator, case_id)
    assert ([one["note"] for one in shown["notes"]], shown["note_count"]) == (["Two.", "Three."], 3)


async def test_it_is_resolved_once_with_its_cause_and_by_whom(client, keys, late, clock):
    case_id = await violate(client, keys, late)
    reply = await resolve(client, keys.operator, case_id, note="It will not happen again.")
    assert reply.status == 200
    resolved = await reply.json()
    assert (resolved["state"], resolved["cause"]) == ("resolved", "An old list was used.")
    assert resolved["resolved_by"].startswith("test (key ")
    clock.move(hours=1)
    again = await resolve(client, keys.house, case_id, note="It will not happen again.")
    assert (again.status, await again.json()) == (200, resolved)
    other = await resolve(client, keys.operator, case_id, "Another.")
    assert await problem(other) == (409, "case_resolved")
    shown = await case(client, keys.operator, case_id)
    assert [one["note"] for one in shown["notes"]] == ["It will not happen again."]


async def test_of_many_resolutions_at_once_one_counts(client, keys, late):
    case_id = await violate(client, keys, late)
    replies = await asyncio.gather(
        *[resolve(client, keys.operator, case_id, f"Cause {n}.") for n in range(10)]
    )
    assert sorted(reply.status for reply in replies) == [200] + [409] * 9


async def test_a_resolved_case_is_never_opened_again(client, keys, late):
    first = await violate(client, keys, late)
    await resolve(client, keys.operator, first)
    second = await violate(client, keys, late + SECOND)
    assert second != first
    # What is known already stays where it is.
    assert await violate(client, keys, late) == first
    states = {one["case_id"]: one["state"] for one in await cases(client, keys.operator)}
    assert states == {first: "resolved", second: "open"}


async def test_the_newest_come_first_a_page_at_a_time(client, keys, late, clock):
    made = []
    for name in ("one", "two", "three"):
        await register(client, keys.mailer, name)
        made.append(await violate(client, keys, late, mailing=name))
        clock.move(minutes=1)
    found, after = [], {}
    while True:
        reply = await client.get(
            f"{ACME}/cases", headers=keys.operator, params={"limit": "2"} | after
        )
        page = await reply.json()
        found += [one["case_id"] for one in page["cases"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}
    assert found == made[::-1]


async def test_they_are_chosen_by_state_and_sender(client, keys, late):
    case_id = await violate(client, keys, late)
    assert len(await cases(client, keys.operator, state="open", sender="mailer")) == 1
    assert await cases(client, keys.operator, sender="texter") == []
    await resolve(client, keys.operator, case_id)
    assert await cases(client, keys.operator, state="open") == []
    assert len(await cases(client, keys.operator, state="resolved")) == 1


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"state": "gone"}, (400, "invalid_parameter")),
        ({"after": "x"}, (400, "invalid_parameter")),
        ({"after": str(uuid4())}, (404, "unknown_case")),
        ({"sender": "nobody"}, (404, "unknown_sender")),
        ({"sender": "no\0body"}, (400, "invalid_parameter")),
        ({"limit": "0"}, (400, "invalid_parameter")),
    ],
)
async def test_what_cannot_be_listed_is_refused(client, keys, parameters, expected):
    reply = await client.get(f"{ACME}/cases", headers=keys.operator, params=parameters)
    assert await problem(reply) == expected


async def test_a_place_in_another_case_is_no_place(client, keys, late):
    case_id = await violate(client, keys, late)
    reply = await client.get(
        f"{ACME}/cases/{case_id}", headers=keys.operator, params={"after": str(uuid4())}
    )
    assert await problem(reply) == (404, "unknown_violation")


@pytest.mark.parametrize("body", [{}, {"note": ""}, {"note": " "}, {"note": "a", "more": 1}])
async def test_an_empty_note_is_refused(client, keys, late, body):
    case_id = await violate(client, keys, late)
    reply = await client.post(f"{ACME}/cases/{case_id}/notes", headers=keys.operator, json=body)
    assert await problem(reply) == (400, "invalid_body")


async def test_senders_see_no_case(client, keys, late):
    case_id = await violate(client, keys, late)
    for reply in (
        await client.get(f"{ACME}/cases", headers=keys.mailer),
        await client.get(f"{ACME}/cases/{case_id}", headers=keys.mailer),
        await note(client, keys.mailer, case_id),
        await resolve(client, keys.mailer, case_id),
    ):
        assert await problem(reply) == (403, "not_allowed")


async def test_another_brands_case_is_unknown(client, keys, late):
    case_id = await violate(client, keys, late)
    own = f"/v1/brands/globex/cases/{case_id}"
    listed = await client.get("/v1/brands/globex/cases", headers=keys.globex_operator)
    assert (await listed.json())["cases"] == []
    for method, path, body in (
        ("GET", own, None),
        ("POST", f"{own}/notes", {"note": "Mine."}),
        ("POST", f"{own}/resolution", {"cause": "Mine."}),
    ):
        reply = await client.request(method, path, headers=keys.globex_operator, json=body)
        assert await problem(reply) == (404, "unknown_case")
    assert (await case(client, keys.operator, case_id))["state"] == "open"


@pytest.mark.parametrize("case_id", ["x", "7d1c2f0e-5b7e-4c58-9a36-2f8f0d4b1c55", "%00"])
async def test_a_case_that_is_not_there_is_unknown(client, keys, case_id):
    reply = await client.get(f"{ACME}/cases/{case_id}", headers=keys.operator)
    assert await problem(reply) == (404, "unknown_case")


async def test_an_overdue_sender_has_one_open_case_and_its_recovery_is_noted(
    client, keys, service, clock
):
    brand = service.book.get("acme")

    async def within(rule, *arguments):
        async with service.database.transaction() as tx:
            return await rule(tx, *arguments)

    mailer = await within(senders.find, brand, "mailer")
    first = await within(rules.open_overdue, mailer, {"owed_count": 1})
    assert await within(rules.open_overdue, mailer, {"owed_count": 2}) == first
    clock.move(hours=1)
    await within(rules.recovered, mailer.sender_id)
    clock.move(hours=1)
    await within(rules.recovered, mailer.sender_id)
    shown = await case(client, keys.operator, str(first))
    assert (shown["kind"], shown["state"], shown["evidence"]) == (
        "overdue", "open", {"owed_count": 1}
    )  # fmt: skip
    assert shown["recovered_at"] is not None
    clock.move(hours=1)
    assert await within(rules.open_overdue, mailer, {"owed_count": 3}) == first
    shown = await case(client, keys.operator, str(first))
    assert shown["recovered_at"] is None
    assert [one["note"] for one in shown["notes"]] == [
        "The sender has caught up.", "The sender is overdue again."
    ]  # fmt: skip
    assert {one["noted_by"] for one in shown["notes"]} == {"prefsvc"}
