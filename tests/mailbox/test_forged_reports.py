"""Complaints and bounces that anybody could have written (E-44, E-45)."""

import pytest

from tests.support.cast import ANN
from tests.support.name_server import name_server
from tests.support.signing import publish, signed
from tests.unit.mail.letters import failure, report

YAHOO = "arf.mail.yahoo.com"
LOOP = "loop@mail.acme.example.com"
ARF = "Feedback-Type: abuse\nUser-Agent: x/1\nVersion: 1\n"


@pytest.fixture
async def names():
    async with name_server() as names:
        publish(names, YAHOO)
        publish(names, "fbl.example.net")
        yield names


@pytest.fixture
def settings(settings, names):
    asked = {"mail_authentication": "check", "dns_servers": (names.place,)}
    return settings.model_copy(update=asked)


@pytest.fixture
async def token(client, keys):
    made = await client.post(
        "/v1/brands/acme/links",
        headers=keys.mailer,
        json={"channel": "email", "address": ANN, "form": "short"},
    )
    return (await made.text()).partition("/u/")[2].partition('"')[0]


def arf(*original, to=ANN):
    """A complaint about a message of ours."""
    fields = [f"To: {to}", "From: news@mail.acme.example.com", "Subject: News", *original]
    raw = report(ARF, kind="feedback-report", original="\n".join(fields) + "\n\n")
    return raw.replace(b"\n", b"\r\n")


async def states(service, may_mail):
    """Return what came of it: suppressed or not, how sure it is, and what is asked about."""
    pool = service.database.pool
    sources = [row["source"] for row in await pool.fetch("select source from preference_event")]
    asked = await pool.fetchval("select count(*) from review")
    return (not await may_mail(), sources, asked)


HEARD, CLAIMED = (True, ["complaint"], 0), (True, ["complaint_unproven"], 0)
ASKED, PASSED_OVER = (False, [], 1), (False, [], 0)


async def test_a_complaint_that_nobody_signed_is_asked_about(office, service, may_mail):
    await office.sends(arf(), to=LOOP, from_="")
    assert await states(service, may_mail) == ASKED


@pytest.mark.parametrize("domain", [YAHOO, f"a.{YAHOO}"])
async def test_one_that_a_feedback_loop_signed_is_heard(office, service, may_mail, names, domain):
    publish(names, f"a.{YAHOO}")
    await office.sends(signed(arf(), domain), to=LOOP, from_="")
    assert await states(service, may_mail) == HEARD


@pytest.mark.parametrize("domain", ["fbl.example.net", "mail.yahoo.com", f"not{YAHOO}"])
async def test_one_that_somebody_else_signed_is_asked_about(
    office, service, may_mail, names, domain
):
    publish(names, domain)
    await office.sends(signed(arf(), domain), to=LOOP, from_="")
    assert await states(service, may_mail) == ASKED


async def test_our_own_token_is_proof_enough(office, service, may_mail, token):
    link = f"List-Unsubscribe: <https://stop.example.com/u/{token}>"
    await office.sends(arf(link, to="redacted"), to=LOOP, from_="")
    assert await states(service, may_mail) == HEARD


async def test_a_guessed_token_is_none(office, service, may_mail, token):
    guessed = ("b" if token[0] == "a" else "a") + token[1:]
    link = f"List-Unsubscribe: <https://stop.example.com/u/{guessed}>"
    await office.sends(arf(link), to=LOOP, from_="")
    assert await states(service, may_mail) == ASKED


async def test_a_cfbl_report_that_its_author_did_not_sign_is_not_processed(
    office, service, may_mail, token
):
    await office.sends(arf(f"CFBL-Feedback-ID: {token}"), to=LOOP, from_="")
    await office.sends(signed(arf(f"CFBL-Feedback-ID: {token}"), YAHOO), to=LOOP, from_="")
    assert await states(service, may_mail) == PASSED_OVER


async def test_one_that_its_author_signed_is_heard_by_its_feedback_id(
    office, service, may_mail, names, token
):
    publish(names, "arf.example.net")
    id_ = f"CFBL-Feedback-ID: {token[:9]} {token[9:]}"
    await office.sends(signed(arf(id_, to="redacted"), "arf.example.net"), to=LOOP, from_="")
    assert await states(service, may_mail) == HEARD


async def test_one_that_cannot_be_checked_just_now_is_asked_about(
    office, service, may_mail, names, token
):
    names.fails = True
    raw = signed(arf(f"CFBL-Feedback-ID: {token}"), "arf.example.net")
    await office.sends(raw, to=LOOP, from_="")
    assert await states(service, may_mail) == ASKED


async def test_where_nobody_looks_every_complaint_counts_and_is_marked(office, service, may_mail):
    service.settings = service.settings.model_copy(update={"mail_authentication": "off"})
    await office.sends(arf(), to=LOOP, from_="")
    assert await states(service, may_mail) == CLAIMED


async def test_a_bounce_without_our_token_counts_and_is_marked(office, service, may_mail):
    raw = failure("550 5.1.1 no such user", "5.1.1").replace(b"\n", b"\r\n")
    await office.sends(signed(raw, "fbl.example.net"), to=LOOP, from_="")
    assert await states(service, may_mail) == (True, ["bounce_unproven"], 0)


async def test_a_bounce_of_a_message_with_our_token_is_proven(office, service, may_mail, token):
    original = f"List-Unsubscribe: <https://stop.example.com/u/{token}>\n\n"
    raw = failure("550 5.1.1 no such user", "5.1.1", original=original)
    await office.sends(raw.replace(b"\n", b"\r\n"), to=LOOP, from_="")
    assert await states(service, may_mail) == (True, ["bounce"], 0)
