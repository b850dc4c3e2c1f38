"""Raw mails handed over by HTTP, as programs and inbound parsers do."""

import asyncio
import base64
import io
import json

import pytest
from aiohttp import FormData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.mailbox.conftest import NEWS, mail
from tests.mailbox.test_listener import count, short_token
from tests.support.cast import ANN, BOB

MAILS = "/v1/brands/acme/mails"
RAW = {"Content-Type": "message/rfc822"}
ONE_CLICK = (
    b"List-Unsubscribe: <https://stop.example.com/u/TOKEN>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nNews\r\n"
)


@pytest.fixture
def hand_over(client, keys):
    """Post a mail and return the answer's status and document."""

    async def posted(data=None, *, path=MAILS, key=None, **what):
        headers = (keys.mailer if key is None else key) | what.pop("headers", RAW)
        reply = await client.post(path, data=data, headers=headers, **what)
        return reply.status, await reply.json()

    return posted


def as_password(key, scheme="Basic"):
    secret = key["Authorization"].removeprefix("Bearer ")
    shown = base64.b64encode(f"any:{secret}".encode()).decode()
    return {"Authorization": f"{scheme} {shown}"}


def form(boundary="xYzZY", **fields):
    """Return a form as SendGrid posts it, and its Content-Type."""
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + (value if isinstance(value, bytes) else value.encode())
        + b"\r\n"
        for name, value in fields.items()
    ]
    body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def envelope(*to):
    return json.dumps({"to": to, "from": ANN})


async def test_a_raw_mail_that_asks_for_it_opts_out_and_is_told_without_the_address(
    hand_over, may_mail
):
    status, answer = await hand_over(mail("please take me off your list"))
    assert (status, answer["outcome"]) == (200, "opt_out")
    assert set(answer) == {"outcome", "why"}
    assert not await may_mail()


async def test_other_mail_changes_nothing(hand_over, may_mail):
    status, answer = await hand_over(mail("Where is my order?"))
    assert (status, answer["outcome"]) == (200, "ignored")
    assert await may_mail()


async def test_an_operators_key_opens_too_and_of_another_brand_none_does(hand_over, may_mail, keys):
    assert (await hand_over(mail(), key=keys.globex_operator))[0] == 403
    assert await may_mail()
    assert (await hand_over(mail(), key=keys.operator))[0] == 200
    assert not await may_mail()


@pytest.mark.parametrize("scheme", ["Basic", "basic"])
async def test_the_key_may_be_the_password_in_a_url(hand_over, may_mail, keys, scheme):
    assert (await hand_over(mail(), key=as_password(keys.mailer, scheme)))[0] == 200
    assert not await may_mail()


@pytest.mark.parametrize("shown", ["Basic", "Basic ÿ", "Basic YQ==", "Basic YTpi", "Basic //8="])
async def test_another_password_is_refused(hand_over, may_mail, shown):
    status, problem = await hand_over(mail(), key={"Authorization": shown})
    assert (status, problem["code"]) == (401, "invalid_api_key")
    assert await may_mail()


@pytest.mark.parametrize("path", ["check", "opt-outs", "mails/lint"])
async def test_no_other_call_takes_the_key_as_a_password(hand_over, keys, path):
    key = as_password(keys.mailer)
    status, problem = await hand_over(mail(), path=f"/v1/brands/acme/{path}", key=key)
    assert (status, problem["code"]) == (401, "invalid_api_key")


async def test_the_recipient_in_the_query_is_the_envelopes(hand_over, may_mail, client, keys):
    address = f"u+{await short_token(client, keys)}@anything.example.net"
    raw = mail("", subject="", from_=BOB, to="hidden@example.net")
    assert (await hand_over(raw))[1]["outcome"] == "ignored"
    status, answer = await hand_over(raw, params={"recipient": address})
    assert (status, answer["outcome"]) == (200, "opt_out")
    assert not await may_mail()
    assert await may_mail(BOB)


async def test_sendgrids_form_is_read_with_its_envelope(hand_over, may_mail, client, keys):
    address = f"u+{await short_token(client, keys)}@anything.example.net"
    raw = mail("", subject="", from_=BOB, to="hidden@example.net")
    body, headers = form(
        to="hidden@example.net", email=raw, envelope=envelope(NEWS, address), charsets='{"to":"1"}'
    )
    status, answer = await hand_over(body, headers=headers)
    assert (status, answer["outcome"]) == (200, "opt_out")
    assert not await may_mail()
    assert await may_mail(BOB)


@pytest.mark.parametrize("path", [MAILS, f"{MAILS}/mime"])
@pytest.mark.parametrize("is_multipart", [True, False])
async def test_mailguns_form_is_read_at_an_address_that_ends_in_mime(
    hand_over, may_mail, path, is_multipart
):
    fields = {"recipient": NEWS, "body-mime": mail().decode(), "Email": "x", "token": "0"}
    posted = FormData(fields, default_to_multipart=is_multipart)
    status, answer = await hand_over(posted, path=path, headers={})
    assert (status, answer["outcome"]) == (200, "opt_out")
    assert not await may_mail()


@pytest.mark.parametrize("charset", ["utf-8", "iso-8859-1"])
async def test_a_mail_in_a_form_keeps_its_octets(hand_over, may_mail, charset):
    words = "Bitte löschen Sie mich aus dem Verteiler".encode(charset)
    raw = mail("WORDS", Content_Type=f"text/plain; charset={charset}").replace(b"WORDS", words)
    body, headers = form(email=raw)
    assert (await hand_over(body, headers=headers))[1]["outcome"] == "opt_out"
    assert not await may_mail()


async def test_a_boundary_that_begins_another_is_not_taken_for_it(hand_over, may_mail):
    raw = mail("--xYzZYinner\r\nplease remove me from your list")
    body, headers = form(email=raw)
    assert (await hand_over(body, headers=headers))[1]["outcome"] == "opt_out"
    assert not await may_mail()


async def test_an_envelope_that_cannot_be_read_is_no_reason_to_refuse_an_opt_out(
    hand_over, may_mail
):
    body, headers = form(email=mail(), envelope='{"to": 1')
    assert (await hand_over(body, headers=headers))[0] == 200
    assert not await may_mail()


async def test_what_counts_of_several_recipients_is_told_first(hand_over, may_mail):
    raw = mail("", subject="", to="hidden@example.net")
    body, headers = form(email=raw, envelope=envelope(NEWS, "unsubscribe@mail.acme.example.com"))
    assert (await hand_over(body, headers=headers))[1]["outcome"] == "opt_out"
    assert not await may_mail()


async def test_however_many_recipients_the_mail_is_taken(hand_over, service, may_mail):
    to = [f"box{number}@mail.acme.example.com" for number in range(2000)]
    body, headers = form(email=mail(), envelope=envelope(*to))
    assert (await hand_over(body, headers=headers))[0] == 200
    assert not await may_mail()
    assert await count(service, "preference_event") == 1


async def test_a_token_counts_however_many_mailboxes_are_before_it(
    hand_over, may_mail, client, keys
):
    to = [f"box{number}@mail.acme.example.com" for number in range(200)]
    token_address = f"u+{await short_token(client, keys)}@anything.example.net"
    raw = mail("", subject="", from_=BOB, to="hidden@example.net")
    body, headers = form(email=raw, envelope=envelope(*to, token_address))
    assert (await hand_over(body, headers=headers))[1]["outcome"] == "opt_out"
    assert not await may_mail()
    assert await may_mail(BOB)


async def test_the_same_mail_again_is_one_opt_out_and_the_evidence_names_the_key(
    hand_over, service, keys
):
    await hand_over(mail())
    await hand_over(mail(), path=f"{MAILS}/mime")
    body, headers = form(email=mail(), envelope=envelope(NEWS, "other@mail.acme.example.com"))
    await hand_over(body, headers=headers)
    assert await count(service, "preference_event") == 1
    evidence = await service.database.pool.fetchval("select content::text from evidence")
    assert keys.mailer["Authorization"].split("_")[1] in evidence
    assert ANN not in evidence


@pytest.fixture
def impatient(service):
    """Have requests given up soon; to be named before what is built by it."""
    service.settings = service.settings.model_copy(update={"request_timeout_seconds": 1})


async def test_without_the_database_nothing_is_said_to_be_taken_and_the_retry_is(
    impatient, hand_over, service, may_mail
):
    async with service.database.pool.acquire() as other, other.transaction():
        await other.execute("lock table prefsvc.preference_event in access exclusive mode")
        status, problem = await hand_over(mail())
    assert (status, problem["code"]) == (503, "database_away")
    async with asyncio.timeout(60):
        while (await hand_over(mail()))[0] != 200:
            pass  # this machine is slow, and they are impatient still
    assert not await may_mail()


async def test_a_mail_that_is_too_large_is_refused_and_in_a_form_its_beginning_counts(
    hand_over, service, may_mail
):
    service.settings = service.settings.model_copy(
        update={"mail_bytes_max": 10_000, "mail_form_bytes_max": 30_000}
    )
    raw = mail("please remove me from your list\r\n" + "x" * 20_000)
    status, problem = await hand_over(raw)
    assert (status, problem["code"]) == (413, "body_too_large")
    body, headers = form(email=raw, attached="x" * 10_000)
    status, problem = await hand_over(body, headers=headers)
    assert (status, problem["code"]) == (413, "body_too_large")
    assert await may_mail()
    body, headers = form(email=raw)
    assert (await hand_over(body, headers=headers))[1]["outcome"] == "opt_out"
    assert not await may_mail()


@pytest.mark.parametrize("path", ["", "/mime", "/lint"])
async def test_fifty_megabytes_are_refused_however_they_are_sent(hand_over, path):
    async def pieces():
        for _ in range(50):
            yield bytes(1 << 20)

    for headers in [RAW, form()[1]]:
        for body in [io.BytesIO(bytes(50 << 20)), pieces()]:
            status, problem = await hand_over(body, path=MAILS + path, headers=headers)
            assert (status, problem["code"]) in {(413, "body_too_large"), (400, "invalid_body")}


@pytest.mark.parametrize("path", ["", "/mime", "/lint"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (mail(), "text/plain"),
        (mail(), "application/octet-stream"),
        (b'{"email": "x"}', "application/json"),
        (b"", "message/rfc822"),
        (b"", "multipart/form-data; boundary=b"),
        (b"", "application/x-www-form-urlencoded"),
        (mail(), "multipart/form-data"),
        (mail(), "multipart/form-data; boundary="),
        (form(email=mail())[0], "multipart/form-data; boundary=other"),
        (form(email=mail())[0].removesuffix(b"--xYzZY--\r\n"), form()[1]["Content-Type"]),
        form(text="parsed", html="<p>parsed", headers="Subject: parsed"),
        form(email=""),
        form(**{f"field{number}": "" for number in range(300)}, email=mail()),
        (b"&".join([b"a=b"] * 300) + b"&email=" + mail(), "application/x-www-form-urlencoded"),
    ],
)  # fmt: skip
async def test_what_is_no_mail_is_refused(hand_over, may_mail, body, content_type, path):
    headers = content_type if isinstance(content_type, dict) else {"Content-Type": content_type}
    status, problem = await hand_over(body, path=MAILS + path, headers=headers)
    assert (status, problem["code"]) == (400, "invalid_body")
    assert ANN not in str(problem)
    assert await may_mail()


async def test_a_parameter_that_is_not_known_is_refused(hand_over):
    status, problem = await hand_over(mail(), params={"recipients": NEWS})
    assert (status, problem["code"]) == (400, "invalid_parameter")


async def test_nul_in_the_words_is_no_reason_to_lose_them(hand_over, may_mail, service):
    doubtful = mail("who is this?? \x00 wrong one", subject="a\x00b", from_=BOB)
    assert (await hand_over(doubtful))[1]["outcome"] == "ask"
    assert await count(service, "review") == 1
    asked = mail("remove me from your list \x00 now", subject="a\x00b")
    assert (await hand_over(asked))[1]["outcome"] == "opt_out"
    assert not await may_mail()


GARBAGE = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [
                b"--b", b"--b--", b"\r\n", b"\n", b"\x00", b"\xff", b"\xed\xa0\x80", b"=", b"&",
                b"+", b"%", b"%ff", b"%00", b"email", b"envelope", b"recipient", b"body-mime",
                b'{"to": ["u+aaaa@x", "\\ud800@x"]}', b'{"to": 1}', b'"', b"<", b"@", b"stop\xff",
                b"[" * 2000,
                b'Content-Disposition: form-data; name="email"\r\n\r\n',
                b'Content-Disposition: form-data; name="envelope"\r\n\r\n',
                b"Content-Disposition: form-data; name=recipient\r\n\r\n",
                b"From: ann@example.org\r\n", b"Subject: unsubscribe me\r\n\r\n", b"stop \x00 ",
                b"List-Unsubscribe: <<>(", b"List-Unsubscribe-Post:", b"DKIM-Signature: h=;",
            ]
        ),
        max_size=30,
    ).map(b"".join),
)  # fmt: skip
TYPES = st.sampled_from(
    ["message/rfc822", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "x"]
)


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(body=GARBAGE, content_type=TYPES, path=st.sampled_from(["", "/mime", "/lint"]))
async def test_no_body_is_a_fault(hand_over, body, content_type, path):
    headers = {"Content-Type": content_type}
    status, answer = await hand_over(body, path=MAILS + path, headers=headers)
    assert status in {200, 400}, answer


async def test_lint_finds_nothing_in_what_is_right(hand_over):
    assert await hand_over(ONE_CLICK, path=f"{MAILS}/lint") == (
        200,
        {"findings": [], "one_click": True},
    )


async def test_lint_says_what_is_wrong_each_once_and_records_nothing(hand_over, may_mail):
    raw = b"List-Unsubscribe: <http://stop.example.com/u/TOKEN>\r\n" * 1000 + mail()
    status, answer = await hand_over(raw, path=f"{MAILS}/lint")
    assert status == 200
    assert not answer["one_click"]
    assert "List-Unsubscribe-Post is missing." in answer["findings"]
    assert "List-Unsubscribe has an http URI; one click needs https." in answer["findings"]
    assert len(answer["findings"]) == len(set(answer["findings"]))
    assert "TOKEN" not in str(answer)
    assert await may_mail()


async def test_lint_needs_a_key_of_the_brand(hand_over, keys):
    path = f"{MAILS}/lint"
    assert (await hand_over(ONE_CLICK, path=path, key=keys.globex_mailer))[0] == 403
    assert (await hand_over(ONE_CLICK, path=path, key={"Authorization": ""}))[0] == 401
