"""What Twilio's answers mean, however broken they are."""

import json
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.consents.answers import Answered, Failed, Unanswered, read

NAME = UUID("7d1c2f0e-5b7e-4c58-9a36-2f8f0d4b1c55")
REASONS = (
    "INVALID_CONTACT_ID", "INVALID_CORRELATION_ID", "INVALID_SENDER_ID", "INVALID_SOURCE",
    "INVALID_STATUS",
)  # fmt: skip


def result(code, messages=(), *, name=NAME.hex):
    one = {"correlation_id": name, "error_code": code, "error_messages": list(messages)}
    answer = read(201, json.dumps({"items": [one]}).encode(), None)
    assert isinstance(answer, Answered)
    return answer.result(NAME.hex)


@pytest.mark.parametrize("code", [0, "0", None])
def test_what_was_taken_is_told(code):
    assert result(code) is None


@pytest.mark.parametrize("name", [str(NAME), NAME.hex.upper()])
def test_an_id_may_come_back_in_another_spelling(name):
    assert result(0, name=name) is None


@pytest.mark.parametrize("reason", REASONS)
def test_what_is_invalid_has_failed_for_good(reason):
    assert result(30646, [reason]) == Failed(f"30646 {reason}", is_final=True)
    assert result("30646", [f"{reason}: +12025550123"]) == Failed(f"30646 {reason}", is_final=True)


@pytest.mark.parametrize(
    ("code", "messages", "error"),
    [
        (30646, ["INTERNAL_SERVER_ERROR"], "30646 INTERNAL_SERVER_ERROR"),
        (30646, ["INVALID_STATUS", "INTERNAL_SERVER_ERROR"],
         "30646 INVALID_STATUS INTERNAL_SERVER_ERROR"),
        (30646, [], "30646"),
        (20500, ["Internal error for +12025550123"], "20500"),
        ("+12025550123", [], "unknown"),
        (None, ["something"], "unknown"),
    ],
)  # fmt: skip
def test_anything_else_may_pass(code, messages, error):
    assert result(code, messages) == Failed(error)


def test_what_is_left_out_was_not_told():
    assert result(0, name=uuid4().hex) == Failed("left out of the answer")


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (400, "refused"), (413, "refused"), (422, "refused"), (401, "unauthorized"),
        (403, "forbidden"), (404, "forbidden"), (429, "slow_down"), (302, "redirected"),
        (500, "unavailable"), (503, "unavailable"), (418, "unavailable"),
    ],
)  # fmt: skip
def test_every_other_status_is_no_answer(status, how):
    assert read(status, b'{"items": []}', 7.0) == Unanswered(how, 7.0)


@given(st.binary(max_size=200))
def test_no_body_is_too_broken_to_be_read(body):
    answer = read(201, body, None)
    assert answer == Unanswered("not_understood") or isinstance(answer, Answered)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b'{"items": 1}', b'{"items": [{}]}', b'{"items": [\xff]}',
        b"[" * 9000, b'{"items": [{"correlation_id": "' + b"\xff" + b'"}]}',
        b'{"x": ' + b"[" * 60_000,
    ],
)  # fmt: skip
def test_garbage_is_no_answer(body):
    assert read(201, body, None) == Unanswered("not_understood")


@given(
    st.one_of(st.none(), st.integers(), st.text(max_size=30)),
    st.lists(st.text(max_size=30), max_size=3),
)
def test_nothing_but_codes_and_known_reasons_is_kept(code, messages):
    failed = result(code, messages)
    if failed:
        first, *reasons = failed.error.split(" ")
        assert first == "unknown" or (first.isdecimal() and len(first) <= 6)
        assert set(reasons) <= {*REASONS, "INTERNAL_SERVER_ERROR"}
