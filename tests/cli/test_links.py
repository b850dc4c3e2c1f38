import re
import subprocess
import sys

import pytest

from prefsvc import links
from prefsvc.following import follow
from prefsvc.links import Link, LinkKey

ATELIER = "1-atelier"
ANN = "Ann.O'Brien+news@example.org"
URL = re.compile(r"https://stop\.example\.com/u/(\S+)\n")


@pytest.fixture
def key(prefsvc, brands):
    ran = prefsvc("links", "key", ATELIER)
    assert (ran.code, ran.err) == (0, "")
    return LinkKey.parse(ran.out)


@pytest.fixture
def minted(prefsvc, brands):
    def mint(*words):
        ran = prefsvc("links", "mint", ATELIER, *words)
        assert (ran.code, ran.err) == (0, "")
        return URL.fullmatch(ran.out)[1]

    return mint


def test_a_sealed_link_opens_with_the_brands_key(minted, key):
    token = minted(ANN, "--topic", "newsletter", "--mailshot", "spring", "--language", "en")
    assert links.unseal([key], token) == Link("email", ANN, "newsletter", "spring", "en")


@pytest.mark.parametrize("form", [[], ["--short"]])
def test_a_link_can_say_where_the_recipient_is(prefsvc, minted, work, form):
    token = minted(ANN, "--country", "NZ", *form)

    async def read(service):
        return await follow(service, token)

    assert work(read).country == "NZ"
    ran = prefsvc("links", "mint", ATELIER, ANN, "--country", "UK", *form)
    assert (ran.code, ran.out) == (1, "")
    assert "two capital letters" in ran.err


def test_the_brands_key_mints_what_the_service_would(minted, key):
    command = [sys.executable, "-m", "prefsvc.links", key.text, "https://stop.example.com"]
    elsewhere = subprocess.run(
        [*command, "email", ANN, "--topic", "offers"], check=True, capture_output=True, text=True
    )
    assert minted(ANN, "--topic", "offers") in elsewhere.stdout


def test_a_short_link_names_the_address_that_it_was_minted_for(minted, work):
    token = minted(ANN, "--short", "--topic", "newsletter")
    assert len(token) <= 40
    assert "example" not in token

    async def read(service):
        return await follow(service, token)

    followed = work(read)
    assert followed.brand.slug == ATELIER
    assert followed.recipient.address.canonical.casefold() == ANN.casefold()
    assert followed.topic == "newsletter"


def test_a_short_link_is_stored_once(minted):
    assert minted(ANN, "--short") == minted(ANN, "--short")


@pytest.mark.parametrize("form", [[], ["--short"]])
@pytest.mark.parametrize(
    "words",
    [
        [" "],
        ["@"],
        [ANN, "--topic", "x" * 65],
        [ANN, "--mailshot", "x" * 65],
        [ANN, "--language", "x" * 36],
        ["a" * 321 + "@example.org"],
    ],
    ids=["blank", "no address", "topic", "mailshot", "language", "address"],
)
def test_what_does_not_fit_into_a_link_is_refused(prefsvc, brands, words, form):
    ran = prefsvc("links", "mint", ATELIER, *words, *form)
    assert (ran.code, ran.out) == (1, "")
    assert re.fullmatch(r"prefsvc: [A-Z][^\n]+\.\n", ran.err)
    assert "example" not in ran.err


@pytest.mark.parametrize("words", [("mint", "nobody", ANN), ("key", "nobody")])
def test_an_unknown_brand_has_neither_links_nor_a_key(prefsvc, brands, words):
    ran = prefsvc("links", *words)
    assert (ran.code, ran.out) == (1, "")
    assert "No such brand" in ran.err
