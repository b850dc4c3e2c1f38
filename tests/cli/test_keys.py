import re

import pytest

from prefsvc import api_keys

ATELIER, DUCALLIER = "1-atelier", "ducallier"
KEY = re.compile(r"psk_([0-9a-f]{12})_\S{43}")


@pytest.fixture
def whose(work):
    """Say whom a key belongs to, as the HTTP doors would find out."""

    def ask(key):
        async def identify(service):
            async with service.database.read() as tx:
                caller = await api_keys.identify(tx, key)
            brand = service.book.by_id.get(caller.brand_id)
            return caller.role, brand.slug if brand else None, caller.sender_slug, caller.channel

        return work(identify)

    return ask


@pytest.fixture
def made(prefsvc, brands):
    """Make a key and return it."""

    def make(*words):
        ran = prefsvc(*words)
        assert (ran.code, ran.err) == (0, "")
        return KEY.search(ran.out)[0]

    return make


def id_of(key):
    return KEY.fullmatch(key)[1]


def test_an_operators_key_is_for_all_brands_or_for_one(made, whose):
    assert whose(made("keys", "create")) == ("operator", None, None, None)
    assert whose(made("keys", "create", "--brand", ATELIER)) == ("operator", ATELIER, None, None)


def test_a_new_sender_gets_a_key_of_its_own_and_may_get_more(made, whose):
    first = made("senders", "add", ATELIER, "mailer", "--channel", "email")
    more = made("keys", "create", "--brand", ATELIER, "--sender", "mailer", "--label", "spare")
    assert first != more
    assert whose(first) == whose(more) == ("sender", ATELIER, "mailer", "email")


def test_a_senders_key_needs_the_brand_whose_it_is(prefsvc, brands):
    ran = prefsvc("keys", "create", "--sender", "mailer")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "prefsvc: --sender needs --brand, whose sender it is.\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("keys", "create", "--brand", "nobody"), "No such brand"),
        (("keys", "create", "--brand", ATELIER, "--sender", "nobody"), "no such sender"),
        (("keys", "revoke", "0123456789ab"), "There is no such key"),
        (("keys", "revoke", "psk_everything"), "There is no such key"),
        (("senders", "add", "nobody", "mailer", "--channel", "email"), "No such brand"),
        (("senders", "add", ATELIER, "Mailer!", "--channel", "email"), "lower-case letters"),
        (("senders", "add", ATELIER, "texter", "--channel", "sms"), "does not use this channel"),
        (("senders", "list", "nobody"), "No such brand"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(prefsvc, brands, words, sentence):
    ran = prefsvc(*words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("prefsvc: ")
    assert sentence in ran.err


def test_a_sender_is_added_once(prefsvc, made):
    words = ("senders", "add", DUCALLIER, "mailer", "--channel", "email")
    made(*words)
    before = prefsvc("keys", "list").out
    ran = prefsvc(*words)
    assert (ran.code, ran.out) == (1, "")
    assert "already has a sender" in ran.err
    assert prefsvc("keys", "list").out == before


def test_keys_are_listed_without_their_secrets(prefsvc, made):
    key = made("keys", "create", "--brand", ATELIER, "--label", "for the console")
    ran = prefsvc("keys", "list")
    [line] = [one for one in ran.out.splitlines() if one.startswith(id_of(key))]
    assert re.fullmatch(
        rf"\w{{12}}  operator  {ATELIER}  made \d{{4}}-\d\d-\d\d  works  for the console", line
    )
    assert key.rpartition("_")[2] not in ran.out
    assert "psk_" not in ran.out


def test_a_revoked_key_no_longer_works_and_cannot_be_revoked_again(prefsvc, made, whose):
    key = made("keys", "create")
    assert prefsvc("keys", "revoke", id_of(key)).out == "Revoked.\n"
    with pytest.raises(api_keys.InvalidApiKey):
        whose(key)
    [line] = [one for one in prefsvc("keys", "list").out.splitlines() if id_of(key) in one]
    assert "  revoked 2" in line
    again = prefsvc("keys", "revoke", id_of(key))
    assert (again.code, again.out) == (1, "")
    assert "revoked already" in again.err


def test_senders_are_listed_with_what_they_owe(prefsvc, made):
    assert prefsvc("senders", "list", "petite-studio").out == "This brand has no sender yet.\n"
    made("senders", "add", "petite-studio", "mailer", "--channel", "email")
    line = "mailer  email  never heard  acknowledged never  owes 0\n"
    assert prefsvc("senders", "list", "petite-studio").out == line


def test_a_retired_sender_is_listed_no_more_and_its_key_works_no_longer(prefsvc, made, whose):
    key = made("senders", "add", "dear-scarlett", "mailer", "--channel", "email")
    assert prefsvc("senders", "retire", "dear-scarlett", "mailer").out == "Retired.\n"
    assert prefsvc("senders", "list", "dear-scarlett").out == "This brand has no sender yet.\n"
    with pytest.raises(api_keys.InvalidApiKey):
        whose(key)
    again = prefsvc("senders", "retire", "dear-scarlett", "mailer")
    assert (again.code, again.out) == (1, "")
    assert "no such sender" in again.err
