"""[mail] in a brand's file: mailboxes to be left by, and what answers who wrote to them."""

import pytest

from prefsvc.brand import Brand
from prefsvc.errors import BrandRefusal
from tests.unit.brand_documents import as_toml, small

DOMAINS = ["mail.acme.example.com"]
BOX, CARE = "stop@mail.acme.example.com", "care@mail.acme.example.com"


def brand(**mail):
    document = small(domains=DOMAINS, mail=mail)
    return Brand.from_toml(as_toml(document), file="acme.toml")


@pytest.mark.parametrize(
    ("mail", "has_receipts"),
    [
        ({}, False),
        ({"unsubscribe": [BOX]}, False),
        ({"from": CARE}, True),
        ({"from": CARE, "acknowledge": True}, True),
        ({"from": CARE, "acknowledge": False}, False),
        ({"acknowledge": False}, False),
    ],
)
def test_there_are_receipts_where_there_is_an_address_for_them_unless_switched_off(
    mail, has_receipts
):
    acme = brand(**mail)
    assert acme.mail.has_receipts == has_receipts
    assert Brand.from_document(acme.to_document()) == acme


def test_the_address_is_written_in_one_way():
    assert brand(**{"from": "Care@MAIL.acme.example.com"}) == brand(**{"from": CARE})


def test_what_says_nothing_of_receipts_is_stored_as_before():
    assert brand(unsubscribe=[BOX]).to_document()["mail"] == {"unsubscribe": [BOX]}


@pytest.mark.parametrize(
    ("mail", "said"),
    [
        ({"acknowledge": True}, "mail.acknowledge: needs from"),
        ({"acknowledge": "yes"}, "mail.acknowledge: must be true or false, not text"),
        ({"from": "care"}, "mail.from: is not an email address"),
        ({"from": f"Acme <{CARE}>"}, "mail.from: is not an email address"),
        ({"from": f"{CARE}\nBcc: x@example.org"}, "mail.from: is not an email address"),
        ({"from": "care@example.org"}, "mail.from: example.org is not among the brand's domains"),
        ({"from": BOX, "unsubscribe": [BOX]}, "mail.from: is a mailbox for opt-outs"),
        ({"from": "u+abc@mail.acme.example.com"}, "mail.from: begins like a token's address"),
        ({"sender": CARE}, "mail.sender: no such key; allowed: acknowledge, from, unsubscribe"),
    ],
)
def test_what_could_not_answer_is_refused_with_what_to_do(mail, said):
    with pytest.raises(BrandRefusal) as refused:
        brand(**mail)
    [problem] = refused.value.problems
    assert said in problem
