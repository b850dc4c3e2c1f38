from uuid import uuid4

import pytest

from prefsvc.address import Address
from prefsvc.intent import decide
from prefsvc.recipients import Recipient
from prefsvc.reviews import Doubt
from tests.support.cast import ANNS_PHONE

BRAND, OTHER = "ducallier", "1-atelier"
WORDS = "wrong number \x1b[2J"


@pytest.fixture
def review_id(work, brands):
    """The review of a doubtful reply to ducallier."""

    async def ask(service):
        recipient = Recipient.of(Address.for_opt_out("sms", ANNS_PHONE), service.vault)
        evidence = {"body": WORDS}
        brand = service.book.get(BRAND)
        doubt = Doubt(brand, recipient, f"twilio:{uuid4()}", decide(WORDS), evidence)
        await service.ask(doubt)
        return str(doubt.review_id)

    return work(ask)


def test_without_any_it_says_so(prefsvc, brands):
    ran = prefsvc("reviews", "list", OTHER)
    assert (ran.code, ran.out) == (0, "There is no such review.\n")


def test_the_list_shows_neither_words_nor_addresses(prefsvc, review_id):
    ran = prefsvc("reviews", "list", BRAND, "--state", "open")
    [line] = [line for line in ran.out.splitlines() if review_id in line]
    assert "  wrong_number  open, a stop at 2" in line
    assert ANNS_PHONE not in ran.out


def test_it_is_shown_with_its_words_which_command_no_terminal(prefsvc, review_id):
    ran = prefsvc("reviews", "show", BRAND, review_id)
    assert (ran.code, ran.err) == (0, "")
    assert f"from  {ANNS_PHONE}" in ran.out
    assert repr(WORDS) in ran.out
    assert "\x1b" not in ran.out


def test_it_is_decided_once(prefsvc, review_id):
    decided = prefsvc(
        "reviews", "decide", BRAND, review_id, "stop", "--by", "Carol", "--note", "Another owner."
    )
    line, consequence = decided.out.splitlines()
    assert line.endswith("  stop by Carol: Another owner.")
    assert consequence == "The opt-out stands until the person says otherwise."
    assert prefsvc("reviews", "decide", BRAND, review_id, "stop").out == decided.out
    refused = prefsvc("reviews", "decide", BRAND, review_id, "dismiss")
    assert (refused.code, refused.out) == (1, "")
    assert "decided the other way" in refused.err


def test_dismissing_what_is_suppressed_says_that_the_opt_out_stands(prefsvc, review_id):
    ran = prefsvc("reviews", "decide", BRAND, review_id, "dismiss", "--by", "Carol")
    assert "  dismissed by Carol\n" in ran.out
    assert ran.out.endswith("The opt-out stands until the person says otherwise.\n")


@pytest.mark.parametrize("words", [["show"], ["decide", "stop"]])
def test_a_review_of_another_brand_or_of_none_is_refused(prefsvc, review_id, words):
    for brand, asked in ((OTHER, review_id), (BRAND, str(uuid4()))):
        ran = prefsvc("reviews", words[0], brand, asked, *words[1:])
        assert (ran.code, ran.out) == (1, "")
        assert "no such review" in ran.err
