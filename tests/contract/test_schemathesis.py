"""Calls made from the document, right and wrong, against the running application.

A call is steered towards real things now and then (a brand that exists, a token that was minted, a
cursor that was given out, a signature that fits), so that what lies behind them is reached, too.
"""

import json
import os
import zlib
from functools import cache
from types import SimpleNamespace

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from twilio.request_validator import RequestValidator

from prefsvc import errors
from prefsvc.web.docs import contract_text
from prefsvc.web.html_page import FIXED_HEADERS
from prefsvc.web.problems import FAULTS, STATUS
from prefsvc.web.requests import SECURITY_HEADERS
from tests.contract.conftest import CONTRACT, DAVE, NOWHERE
from tests.mail_events import providers as mail_event_proof
from tests.sms import telnyx_client
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN, TWILIO_TOKEN

EXAMPLES = int(os.environ.get("PREFSVC_CONTRACT_EXAMPLES", "100"))
CANARY = "canary.of.the.contract@example.org"
REQUEST_LINE_LENGTH = 8000  # the server reads 8,190 bytes of it, method and version included
PERSONS_WORDS = 8  # what is shorter than this may be in an answer by chance

# A call that is as described may still make no sense here: 422 says so, 400 would be a lie.
CONFIG = SchemathesisConfig.from_dict(
    {
        "generation": {"allow-x00": False},
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "422"]
            }
        },
    }
)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    positive_data_acceptance,
    negative_data_rejection,
]
# Doors that take whatever comes: what is wrong with a line is told in its own line of the answer,
# and nothing in a form is a reason to refuse a person.
LENIENT = {
    "getLink", "getHome", "postLink", "postUndo", "optionsLink", "postLinks", "postSends",
    "postMail", "postMailMime", "postMailLint", "putImport",
}  # fmt: skip

schema = schemathesis.openapi.from_path(str(CONTRACT), config=CONFIG)


@schemathesis.serializer("application/x-ndjson")
def as_lines(context, value):
    return value.encode() if isinstance(value, str) else json.dumps(value).encode() + b"\n"


@schemathesis.serializer("message/rfc822")
def as_mail(context, value):
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value).encode()


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_call_is_answered_as_the_document_says(case, running):
    operation_id = case.operation.definition.raw["operationId"]
    steer(case, running, operation_id)
    headers = credentials(case, running, operation_id)
    response = case.call(base_url=running.start.url, headers=headers, session=session(), timeout=30)
    if len(response.request.path_url) > REQUEST_LINE_LENGTH:
        assert response.status_code == 400
        return
    excluded = [negative_data_rejection] if operation_id in LENIENT else []
    case.validate_response(response, checks=[one for one in CHECKS if one not in excluded])
    assert_lines_are_as_described(case, response)
    assert_nothing_comes_back(case, response)


@cache
def session():
    return requests.Session()


# --- steering ----------------------------------------------------------------------------------


def is_right(case):
    return case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE


def chosen(case, *of):
    """Choose by the call itself, so that the same call is always steered the same way."""
    seed = repr((case.path_parameters, case.query, case.headers, case.body))
    return of[zlib.crc32(seed.encode(errors="replace")) % len(of)]


def steer(case, running, operation_id):
    if not is_right(case):
        return  # what is wrong with it must stay so
    kept, removed = running.endpoint_ids
    real = {
        "brand": chosen(case, "acme", "acme", "acme", "acme", "globex", None),
        "token": chosen(case, *running.tokens, None),
        "sender": chosen(case, "mailer", "mailer", None),
        "opt_out_id": chosen(case, *running.opt_out_ids, None),
        "endpoint_id": chosen(case, removed if operation_id == "deleteEndpoint" else kept, None),
        "delivery_id": chosen(case, *running.delivery_ids, None),
        "mailing": chosen(case, running.mailing, None),
        "case_id": chosen(case, running.case_id, running.case_id, None),
        "review_id": chosen(case, running.review_id, running.review_id, None),
    }
    for name, value in real.items():
        if value and name in (case.path_parameters or {}):
            case.path_parameters[name] = value
    if operation_id == "postMailEvents":
        # Of those whose proof does not depend on the body.
        provider = chosen(case, "brevo", "mailjet", "postmark", "sparkpost")
        case.path_parameters["provider"] = provider
        case.path_parameters["source"] = chosen(case, f"{provider}-main", "nobody")
    if operation_id == "getFeed" and isinstance(case.query, dict) and "after" in case.query:
        case.query["after"] = chosen(case, *running.cursors[::2], case.query["after"])
    if isinstance(case.body, dict):
        steer_body(case, running, operation_id)


def steer_body(case, running, operation_id):
    real = {
        "postUndo": {"ticket": chosen(case, *running.tickets, None)},
        "postAcknowledgement": {"cursor": chosen(case, *running.cursors, None)},
        "postMailing": {"cursor": chosen(case, *running.cursors, None)},
        "postSends": {"address": chosen(case, CANARY, DAVE, None), "mailing": running.mailing},
        "postEndpoint": {"url": chosen(case, NOWHERE, None), "sender": "mailer"},
        "postTwilioMessage": {
            "To": ACMES_NUMBER,
            "From": ANNS_PHONE,
            "Body": chosen(case, "STOP", "START", "HELP", "wrong number"),
        },
        "postTwilioStatus": {
            "From": ACMES_NUMBER,
            "To": chosen(case, ANNS_PHONE, ANNS_PHONE, "72645"),
            "ErrorCode": chosen(case, "21610", "30006", None),
        },
    }.get(operation_id, {"address": chosen(case, CANARY, ANNS_PHONE, None)})
    for name, value in real.items():
        if value and isinstance(case.body.get(name), str):
            case.body[name] = value
    if operation_id == "postTelnyxEvent":
        steer_event(case, case.body["data"]["payload"])


def steer_event(case, payload):
    """Let an event of Telnyx' be about Ann and acme, which way it may go."""
    person, brand = {"phone_number": ANNS_PHONE}, {"phone_number": ACMES_NUMBER}
    if case.body["data"]["event_type"] == "message.received":
        words = chosen(case, "STOP", "START", "HELP", "wrong number")
        payload |= {"from": person, "to": [brand], "text": words}
    else:
        errors = [{"code": chosen(case, "40300", "40001", "40012")}]
        payload |= {"from": brand, "to": [person], "errors": errors}


def credentials(case, running, operation_id):
    """Return the headers that let a call in: most calls', and most of the time."""
    if sign := SIGNED.get(operation_id):
        return sign(case) if is_right(case) and chosen(case, 1, 1, 1, 0) else {}
    if operation_id == "postMailEvents":
        return mail_event_proof.basic() if is_right(case) and chosen(case, 1, 1, 0) else {}
    if not case.path.startswith("/v1"):
        return {}
    is_for_senders = case.operation.definition.raw["tags"] in (["Lists"], ["Links"], ["Sends"])
    key = chosen(case, *["mailer" if is_for_senders else "house"] * 12, "globex")
    return {"Authorization": f"Bearer {running.start.keys[key]}"}


def signed_by_telnyx(case):
    sent = case.as_transport_kwargs(base_url=ORIGIN)
    return telnyx_client.signed(requests.Request(**sent).prepare().body)


def signed_by_twilio(case):
    if not all(isinstance(one, str) for one in case.body.values()):
        return {}
    made = RequestValidator(TWILIO_TOKEN).compute_signature(ORIGIN + case.formatted_path, case.body)
    return {"X-Twilio-Signature": made}


SIGNED = {
    "postTelnyxEvent": signed_by_telnyx,
    "postTwilioMessage": signed_by_twilio,
    "postTwilioStatus": signed_by_twilio,
}


# --- checks of our own ---------------------------------------------------------------------------


def assert_lines_are_as_described(case, response):
    media_type = response.headers.get("content-type", [""])[0]
    if response.status_code == 200 and media_type == "application/x-ndjson":
        lines = response.content.splitlines()
        for line in lines:
            line_validator(case.operation.label).validate(json.loads(line))
        if case.operation.definition.raw["operationId"] == "getSuppressions":
            assert json.loads(lines[-1])["count"] == len(lines) - 1


@cache
def line_validator(label):
    method, path = label.split(" ")
    document = schema.raw_schema
    content = document["paths"][path][method.lower()]["responses"]["200"]["content"]
    whole = {**content["application/x-ndjson"]["schema"], "components": document["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


def assert_nothing_comes_back(case, response):
    """No problem repeats what was sent: neither an address, nor a token, nor any other word."""
    if response.status_code < 400:
        return
    answered = f"{response.text} {list(response.headers.values())}"
    is_page = answered.lstrip().startswith("<!doctype")
    for word in set(words(case.path_parameters)) | set(words(case.query)) | set(words(case.body)):
        # A page has English and CSS of its own; no address and no token is letters alone.
        if len(word) < PERSONS_WORDS or word in vocabulary() or (is_page and word.isalpha()):
            continue
        assert word not in answered


def words(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from words(one)
    elif isinstance(value, list):
        for one in value:
            yield from words(one)


@cache
def vocabulary():
    """What an answer may say by itself."""
    sentences = [str(kind()) for kind in STATUS] + [sentence for _, _, sentence in FAULTS]
    headers = " ".join([*SECURITY_HEADERS.values(), *FIXED_HEADERS.values()])
    return contract_text() + " ".join(sentences) + headers + (errors.__doc__ or "")


def test_the_canary_is_noticed_if_it_comes_back():
    call = SimpleNamespace(path_parameters=None, query=None, body={"also": [{"address": CANARY}]})
    answer = SimpleNamespace(status_code=422, headers={}, text=f"{CANARY} is no address")
    with pytest.raises(AssertionError):
        assert_nothing_comes_back(call, answer)
