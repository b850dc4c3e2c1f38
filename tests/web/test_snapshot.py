import gzip
import json
import time
from datetime import UTC, datetime

import aiohttp
import pytest

from prefsvc import snapshots
from prefsvc.cursor import Cursor
from prefsvc.web import snapshot_api
from tests.support.cast import ANN, ANNS_PHONE, BOB
from tests.support.lists import (
    ACME,
    Follower,
    TruncatedError,
    problem,
    read_csv,
    read_ndjson,
    say_start,
    say_stop,
    sha256,
    snapshot,
)
from tests.support.register import act, workload

FORMS = [
    {"format": form, "hashed": hashed} for form in ("ndjson", "csv") for hashed in ("true", "false")
]
ODD = [
    '"a\\"b"@example.org',
    '"back\\\\slash"@example.org',
    '"com,ma"@example.org',
    '"semi;colon"@example.org',
    "o'hara@example.org",
    "{json}@example.org",
    "jürgen@example.org",
    "用户@example.org",
    "smile\N{GRINNING FACE}@example.org",
    '"line\N{LINE SEPARATOR}end"@example.org',
    '"next\x85line"@example.org',
    '"new\nline"@example.org',
    '"\x01\x02"@example.org',
    "=cmd()@example.org",
    "#end@example.org",
]


async def erase(service, address):
    """Erase an address as the erasure of issue to come will: the SHA-256 stays, sealed."""
    one = act(service, address).recipient
    done = await service.database.pool.execute(
        "update address set canonical = null, as_written = null, sealed_sha256 = $2, "
        "erased_at = now() where address_key = $1",
        one.address_key,
        service.vault.seal_sha256(one.address_key, one.address.sha256),
    )
    assert done == "UPDATE 1"


async def test_a_line_says_who_and_why_and_until_when(client, keys):
    said = await say_stop(client, keys, " Ann@Example.ORG", topic="news")
    [row] = (await snapshot(client, keys.mailer)).rows
    assert row.pop("since").startswith(said["received_at"][:19])
    assert row.pop("deadline_at").startswith(said["deadline_at"][:19])
    assert row == {
        "channel": "email",
        "address": ANN,
        "sha256": sha256(ANN),
        "scope": "topic",
        "topic": "news",
        "reason": "opt_out",
    }


def at(text):
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("microsecond", [0, 5, 500_000, 999_999])
async def test_a_lists_moments_are_the_very_ones_that_were_answered(
    client, keys, service, form, microsecond
):
    moment = datetime(2026, 3, 2, 9, 0, 0, microsecond, tzinfo=UTC).isoformat()
    said = await say_stop(client, keys, ANN, received_at=moment)
    await say_stop(client, keys, BOB, received_at=moment)
    await erase(service, BOB)
    rows = (await snapshot(client, keys.mailer, **form)).rows
    assert [at(row["since"]) for row in rows] == [at(moment)] * 2
    assert [at(row["deadline_at"]) for row in rows] == [at(said["deadline_at"])] * 2
    assert all(row["since"].endswith("Z") and row["deadline_at"].endswith("Z") for row in rows)


async def test_moments_are_written_alike_however_the_server_writes_dates(client, keys, service):
    said, pool = await say_stop(client, keys, ANN), service.database.pool
    name = await pool.fetchval("select quote_ident(current_database())")
    await pool.execute(f"alter database {name} set datestyle = 'SQL, DMY'")
    try:
        await pool.expire_connections()
        [row] = (await snapshot(client, keys.mailer)).rows
    finally:
        await pool.execute(f"alter database {name} reset datestyle")
    assert at(row["since"]) == at(said["received_at"])


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_lists_the_same(client, keys, service, form):
    await workload(service, steps=20, seed=7)
    given = await snapshot(client, keys.mailer, **form)
    plain = await snapshot(client, keys.mailer)
    assert given.suppressed == plain.suppressed
    assert len(given.rows) == len(plain.rows) > 5


@pytest.mark.parametrize("form", FORMS)
async def test_an_empty_list_is_whole_too(client, keys, form):
    assert (await snapshot(client, keys.mailer, **form)).rows == []


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_the_hashed_form_shows_no_address(client, keys, form):
    await say_stop(client, keys, ANN)
    parameters = {"format": form, "hashed": "true"}
    reply = await client.get(f"{ACME}/suppressions", headers=keys.mailer, params=parameters)
    text = await reply.text()
    assert sha256(ANN) in text
    assert "@" not in text


@pytest.mark.parametrize("form", FORMS)
async def test_any_address_stays_one_readable_line(client, keys, form):
    for address in ODD:
        await say_stop(client, keys, address)
    listed = await snapshot(client, keys.mailer, **form)
    assert len(listed.rows) == len(ODD)
    for row in listed.rows:
        if form["hashed"] == "false":
            assert sha256(row["address"]) == row["sha256"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.99])
async def test_a_truncated_list_is_recognised(client, keys, form, kept):
    for n in range(20):
        await say_stop(client, keys, f"p{n}@example.org")
    reply = await client.get(f"{ACME}/suppressions", headers=keys.mailer, params=form)
    raw = await reply.read()
    read = read_csv if form["format"] == "csv" else read_ndjson
    assert len(read(raw)[0]) == 20
    cut = raw[: int(len(raw) * kept)]
    whole_lines = cut[: cut.rfind(b"\n") + 1]
    with pytest.raises(TruncatedError):
        read(whole_lines)


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_a_list_that_lost_or_gained_a_line_is_recognised(client, keys, form):
    for n in range(3):
        await say_stop(client, keys, f"p{n}@example.org")
    reply = await client.get(f"{ACME}/suppressions", headers=keys.mailer, params={"format": form})
    lines = (await reply.read()).splitlines(keepends=True)
    read = read_csv if form == "csv" else read_ndjson
    for changed in (
        [*lines[:1], *lines[2:]],
        [lines[1], *lines],
        [lines[0], *lines[2:3], *lines[2:]],
    ):
        with pytest.raises(TruncatedError):
            read(b"".join(changed))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part_bytes", [1, 1000])
async def test_a_list_in_many_parts_is_whole(client, keys, monkeypatch, form, part_bytes):
    monkeypatch.setattr(snapshots, "PART_BYTES", part_bytes)
    for n in range(20):
        await say_stop(client, keys, f"p{n}@example.org")
    assert len((await snapshot(client, keys.mailer, **form)).rows) == 20


async def test_a_list_rests_while_opt_outs_come(client, keys, monkeypatch):
    monkeypatch.setattr(snapshot_api, "INTAKE_SECONDS", 600)
    monkeypatch.setattr(snapshot_api, "REST_SECONDS", 0.2)
    await say_stop(client, keys, ANN)
    began = time.monotonic()
    assert len((await snapshot(client, keys.mailer)).rows) == 1
    assert time.monotonic() - began > 0.2


@pytest.mark.parametrize("form", FORMS)
async def test_what_is_rarely_said_is_listed_as_it_was_said(client, keys, form):
    said = [("brand", {}), ("topic", {"topic": "news"}), ("third_party_sharing", {})]
    for scope, more in said:
        await say_stop(client, keys, f"{scope.replace('_', '-')}@example.org", scope=scope, **more)
    listed = (await snapshot(client, keys.mailer, **form)).rows
    found = {(row["scope"], row["topic"] or "", row["reason"]) for row in listed}
    assert found == {(scope, more.get("topic", ""), "opt_out") for scope, more in said}


async def test_only_what_stands_is_listed(client, keys):
    await say_stop(client, keys, ANN)
    await say_stop(client, keys, BOB)
    await say_start(client, keys, ANN)
    assert [row["address"] for row in (await snapshot(client, keys.mailer)).rows] == [BOB]


async def test_a_list_is_of_one_channel(client, keys):
    await say_stop(client, keys, ANN)
    await say_stop(client, keys, ANNS_PHONE, channel="sms")
    assert [row["address"] for row in (await snapshot(client, keys.mailer)).rows] == [ANN]
    assert [row["address"] for row in (await snapshot(client, keys.texter)).rows] == [ANNS_PHONE]
    operators = await snapshot(client, keys.operator, channel="sms")
    assert [row["address"] for row in operators.rows] == [ANNS_PHONE]


@pytest.mark.parametrize("form", FORMS)
async def test_an_erased_address_stays_silent(client, keys, service, form):
    await say_stop(client, keys, ANN)
    await say_stop(client, keys, BOB, topic="news")
    before = await snapshot(client, keys.mailer, **form)
    await erase(service, ANN)
    await erase(service, BOB)
    after = await snapshot(client, keys.mailer, **form)
    assert after.suppressed == before.suppressed
    assert not any(row.get("address") for row in after.rows)
    assert {row["sha256"] for row in after.rows} == {sha256(ANN), sha256(BOB)}


async def test_the_feed_carries_an_erased_address_by_its_sha256(client, keys, service):
    await say_stop(client, keys, ANN)
    await erase(service, ANN)
    page = await Follower(client, keys.mailer).page()
    [change] = page["changes"]
    assert (change["address"], change["sha256"]) == (None, sha256(ANN))


async def test_a_list_whose_address_is_gone_breaks_off(client, keys, service):
    await say_stop(client, keys, ANN)
    await say_stop(client, keys, BOB)
    key = act(service, ANN).recipient.address_key
    await service.database.pool.execute("delete from address where address_key = $1", key)
    with pytest.raises((aiohttp.ClientError, TruncatedError)):
        await snapshot(client, keys.mailer)


async def test_a_list_that_is_known_is_not_sent_again(client, keys):
    await say_stop(client, keys, ANN)
    etag = (await snapshot(client, keys.mailer)).headers["ETag"]

    async def status(tag, **parameters):
        headers = keys.mailer | {"If-None-Match": tag}
        reply = await client.get(f"{ACME}/suppressions", headers=headers, params=parameters)
        return reply.status, len(await reply.read())

    assert await status(etag) == (304, 0)
    assert await status(f'"another", {etag}') == (304, 0)
    assert (await status('"another"'))[0] == 200
    assert (await status(etag, format="csv"))[0] == 200
    assert (await status(etag, hashed="true"))[0] == 200
    await say_stop(client, keys, BOB)
    assert (await status(etag))[0] == 200


async def test_a_list_says_until_when_it_is_good(client, keys):
    headers = (await snapshot(client, keys.mailer)).headers
    assert headers["Prefsvc-As-Of"] < headers["Prefsvc-Valid-Until"]


async def test_the_feed_goes_on_where_the_list_ends(client, keys):
    await say_stop(client, keys, ANN)
    listed = await snapshot(client, keys.mailer)
    assert listed.headers["Prefsvc-Cursor"] == listed.end["cursor"]
    follower = Follower(client, keys.mailer, cursor=listed.end["cursor"])
    follower.positions = dict(listed.end["positions"])
    assert (await follower.page())["changes"] == []
    await say_stop(client, keys, BOB)
    assert [one["address"] for one in (await follower.page())["changes"]] == [BOB]


async def test_the_last_line_says_where_each_bucket_stands(client, keys):
    assert (await snapshot(client, keys.mailer)).end["positions"] == []
    await say_stop(client, keys, ANN)
    await say_start(client, keys, ANN)
    await say_stop(client, keys, BOB)
    end = (await snapshot(client, keys.mailer)).end
    read = Cursor.parse(end["cursor"]).positions
    assert end["positions"] == [[bucket, at] for bucket, at in enumerate(read) if at]
    assert sum(at for _, at in end["positions"]) == 3


async def test_a_list_travels_compressed_where_asked_for(client, keys):
    for n in range(50):
        await say_stop(client, keys, f"p{n}@example.org")
    headers = keys.mailer | {"Accept-Encoding": "gzip"}
    url = client.make_url(f"{ACME}/suppressions")
    async with aiohttp.ClientSession(auto_decompress=False) as plain:
        reply = await plain.get(url, headers=headers)
        assert reply.headers["Content-Encoding"] == "gzip"
        assert len(read_ndjson(gzip.decompress(await reply.read()))[0]) == 50
        reply = await plain.get(url, headers=keys.mailer | {"Accept-Encoding": "identity"})
        assert "Content-Encoding" not in reply.headers
        assert len(read_ndjson(await reply.read())[0]) == 50


async def test_csv_can_be_asked_for_as_http_does(client, keys):
    reply = await client.get(f"{ACME}/suppressions", headers=keys.mailer | {"Accept": "text/csv"})
    assert reply.content_type == "text/csv"
    read_csv(await reply.read())


@pytest.mark.parametrize(
    ("parameters", "refusal"),
    [
        ({"format": "xml"}, (400, "invalid_parameter")),
        ({"hashed": "yes"}, (400, "invalid_parameter")),
        ({"nonsense": "1"}, (400, "invalid_parameter")),
        ({"channel": "fax"}, (400, "invalid_parameter")),
        ({"channel": "sms"}, (403, "not_allowed")),
    ],
)
async def test_a_wish_that_is_not_understood_is_refused(client, keys, parameters, refusal):
    reply = await client.get(f"{ACME}/suppressions", headers=keys.mailer, params=parameters)
    assert await problem(reply) == refusal


async def test_the_last_line_is_json_that_can_be_acknowledged(client, keys):
    await say_stop(client, keys, ANN)
    reply = await client.get(f"{ACME}/suppressions", headers=keys.mailer)
    last = json.loads((await reply.text()).splitlines()[-1])
    assert last["end"] is True
    assert len(last["positions"]) == 1
    reply = await client.post(f"{ACME}/feed/acknowledgements", headers=keys.mailer, json=last)
    assert reply.status == 200
