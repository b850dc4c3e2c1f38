"""What generated calls find too seldom: each of these was a 500 once."""

import pytest
import requests

ANYBODY = {"channel": "email", "address": "dora@example.org"}


def call(running, method, path, **what):
    headers = {"Authorization": f"Bearer {running.start.keys['house']}"}
    url = f"{running.start.url}/v1/brands/acme/{path}"
    return requests.request(method, url, headers=headers, timeout=30, **what)


@pytest.mark.parametrize("field", ["sent_at", "received_at"])
@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"])
def test_an_impossible_date_is_no_reason_to_refuse_an_opt_out(running, at, field):
    body = ANYBODY | {"address": f"{field}{at[-1]}@example.org", field: at}
    reply = call(running, "POST", "opt-outs", json=body)
    assert reply.status_code == 201
    assert reply.json()["received_at"] == "1970-01-01T00:00:00Z"


def test_an_impossible_date_of_an_opt_in_is_older_than_any_opt_out(running):
    assert call(running, "POST", "opt-outs", json=ANYBODY).status_code == 201
    said = {"source": "phone", "evidence": {"call": "1"}, "sent_at": "0001-01-01T00:00:00Z"}
    reply = call(running, "POST", "opt-ins", json=ANYBODY | said)
    assert (reply.status_code, reply.json()["lifted"]) == (201, False)


def test_a_sender_whose_name_has_nul_is_unknown(running):
    reply = call(running, "GET", "senders/mail%00er/clearance")
    assert (reply.status_code, reply.json()["code"]) == (404, "unknown_sender")


def test_evidence_is_taken_however_deep_and_large_its_numbers(running):
    deep = '{"channel":"email","address":"erin@example.org","evidence":{"a":%s1%s,"b":%d}}'
    reply = call(running, "POST", "opt-outs", data=deep % ("[" * 500, "]" * 500, 2**80))
    assert reply.status_code == 201


def test_words_that_fit_by_letters_but_not_by_bytes_are_refused_in_their_line(running):
    body = '{"address":"ann@example.org","topic":"%s"}' % ("é" * 40)
    reply = call(running, "POST", "links", data=body.encode())
    assert reply.status_code == 200
    assert reply.json()["problem"]["code"] == "invalid_link_content"
