"""What is told of a number, in Twilio's terms (RULES S-30)."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.consents.words import Said, Word, item, word
from prefsvc.suppression import LIFTING_SOURCES, OPT_IN_SOURCES, OPT_OUT_SOURCES
from tests.support.cast import ANNS_PHONE

moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
everything = sorted(OPT_IN_SOURCES | OPT_OUT_SOURCES)
words = st.lists(st.builds(Said, moments, st.sampled_from(everything)), max_size=4)
SERVICE = "MG00000000000000000000000000000acc"


@given(words, words, st.booleans())
def test_an_opt_in_is_told_only_of_a_fresh_lift_by_the_persons_own_word(opt_outs, lifts, is_fresh):
    told = word(opt_outs, lifts, is_fresh=is_fresh)
    if told and told.status == "opt-in":
        assert is_fresh
        assert not opt_outs
        assert told.said in lifts
        assert told.said.source in LIFTING_SOURCES


@given(words.filter(bool), words, st.booleans())
def test_an_opt_out_that_stands_is_told_whatever_else_there_was(opt_outs, lifts, is_fresh):
    told = word(opt_outs, lifts, is_fresh=is_fresh)
    assert told.status == "opt-out"
    assert told.said.said_at == max(one.said_at for one in opt_outs)


@given(st.booleans())
def test_of_a_number_without_any_word_nothing_is_told(is_fresh):
    assert word([], [], is_fresh=is_fresh) is None


@pytest.mark.parametrize(
    ("status", "source", "told_as"),
    [
        *[("opt-out", one, "website") for one in ("link", "one_click", "preference_centre")],
        ("opt-out", "registration", "website"),
        ("opt-in", "undo", "website"),
        *[("opt-out", one, "offline") for one in ("letter", "phone", "fax", "in_store")],
        ("opt-in", "letter", "offline"),
        ("opt-out", "sms_reply", "opt-out-message"),
        ("opt-in", "sms_reply", "opt-in-message"),
        *[("opt-out", one, "others") for one in ("api", "import", "complaint", "provider_block")],
        *[("opt-out", one, "others") for one in ("mail_reply", "mailbox", "unknown")],
        ("opt-in", "confirmation", "others"),
    ],
)
def test_the_source_is_told_in_twilios_terms(status, source, told_as):
    assert Word(status, Said(datetime(2026, 3, 1, tzinfo=UTC), source)).source == told_as


@given(st.uuids(), words.filter(bool))
def test_an_item_is_what_the_api_describes(correlation_id, said):
    told = word(said, [], is_fresh=True)
    document = json.loads(item(correlation_id, ANNS_PHONE, SERVICE, told))
    assert UUID(document.pop("correlation_id")) == correlation_id
    at = datetime.fromisoformat(document.pop("date_of_consent"))
    assert at == told.said.said_at.replace(microsecond=0)
    assert document == {
        "contact_id": ANNS_PHONE,
        "sender_id": SERVICE,
        "status": "opt-out",
        "source": told.source,
    }
    assert told.source in {"website", "offline", "opt-out-message", "others"}
