import json
import os
from pathlib import Path

import pytest

from prefsvc.address import Address
from prefsvc.errors import InvalidAddress

ROOT = Path(__file__).parents[2]
CORPORA = ROOT / os.environ.get("PREFSVC_CORPORA", "../shared/corpora") / "address"

pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="no corpora; PREFSVC_CORPORA names their folder"
)


def corpus(name):
    return json.loads((CORPORA / name).read_text(encoding="utf-8"))


def can_be_stored_and_matched(text):
    local, at, domain = text.rpartition("@")
    is_visible = any(char.isprintable() and char != " " for char in local)
    has_host = bool(domain.strip().strip("."))
    return bool(at) and is_visible and has_host and "\0" not in text


def is_accepted(text):
    try:
        return bool(Address.for_opt_out("email", text))
    except InvalidAddress:
        return False


def test_no_opt_out_of_the_isemail_suite_is_refused_that_could_be_stored_and_matched():
    texts = [case["address"] for case in corpus("isemail_tests.json")]
    assert len(texts) > 100
    assert [
        text for text in texts if can_be_stored_and_matched(text) and not is_accepted(text)
    ] == []


def test_no_opt_out_of_the_email_validator_suite_is_refused_that_could_be_stored_and_matched():
    cases = [
        case for group in corpus("email_validator_syntax_cases.json").values() for case in group
    ]
    texts = [case if isinstance(case, str) else case[0] for case in cases]
    assert len(texts) > 200
    assert [
        text for text in texts if can_be_stored_and_matched(text) and not is_accepted(text)
    ] == []


def test_what_email_validator_calls_one_address_is_one_here():
    for text, expected in corpus("email_validator_syntax_cases.json")["test_email_valid"]:
        address = Address.for_opt_out("email", text)
        assert Address.for_opt_out("email", expected["normalized"]) == address
        if expected["ascii_email"]:
            assert Address.for_opt_out("email", expected["ascii_email"]) == address


def test_needless_quotes_are_removed_as_email_validator_removes_them():
    for text, local_part in corpus("email_validator_syntax_cases.json")[
        "test_email_valid_only_if_quoted_local_part"
    ]:
        assert Address.for_opt_out("email", text) == Address.for_opt_out(
            "email", f"{local_part}@example.com"
        )


def test_every_libphonenumber_example_is_the_e164_number_it_stands_for():
    read = 0
    for case in corpus("libphonenumber_examples.json"):
        if len(case["e164"]) < len("+1234567"):
            continue  # too short for a recipient: RULES P-06
        for form in ("e164", "international", "rfc3966"):
            if form in case:
                assert Address.for_opt_out("sms", case[form]).canonical == case["e164"]
                read += 1
    assert read > 2000


def test_every_valid_libphonenumber_example_may_opt_in():
    cases = [case for case in corpus("libphonenumber_examples.json") if case["type"] != "INVALID"]
    assert len(cases) > 500
    for case in cases:
        assert Address.for_opt_in("sms", case["e164"]).canonical == case["e164"]


def test_every_valid_domain_of_the_uts46_suite_has_its_a_label():
    cases = [case for case in corpus("idna_uts46_half.json") if "output" in case]
    assert len(cases) > 150
    for case in cases:
        address = Address.for_opt_out("email", f"ann@{case['input']}")
        assert address.canonical == f"ann@{case['output'].rstrip('.')}"


def test_every_invalid_domain_of_the_uts46_suite_still_has_one_form():
    cases = [case for case in corpus("idna_uts46_half.json") if "error" in case]
    assert len(cases) > 2000
    for case in cases:
        text = f"ann@{case['input']}"
        if can_be_stored_and_matched(text) and is_accepted(text):
            address = Address.for_opt_out("email", text)
            assert Address.for_opt_out("email", address.canonical) == address
