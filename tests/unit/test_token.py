import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc import links
from prefsvc.address import CHANNELS, bucket_of
from prefsvc.errors import InvalidToken, UnknownBrand
from prefsvc.links import Link
from prefsvc.token import Keyring, SealedToken, ShortToken, bucket_of_link, link_id_for

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
BRANDS = ["acme", "globex"]
RING = Keyring.for_brands([NEW, OLD], BRANDS)
BEFORE_ROTATION = Keyring.for_brands([OLD], BRANDS)
LINK = Link("email", "ann@example.org", topic="news")
LINK_ID = bytes(range(8))
BASE32 = string.ascii_lowercase + "234567"

ADDRESS_KEYS = st.binary(min_size=16, max_size=16)
LINK_IDS = st.binary(min_size=8, max_size=8)
BRAND = st.sampled_from(BRANDS)
NAMES = st.none() | st.text("ab\0", max_size=2)
MEANINGS = st.fixed_dictionaries(
    {
        "channel": st.sampled_from(CHANNELS),
        "topic": NAMES,
        "mailshot": NAMES,
        "language": NAMES,
        "country": st.sampled_from(["NZ", "US", None]),
        "attempt": st.integers(0, 3),
    }
)
MEANT = st.tuples(BRAND, st.sampled_from([bytes(16), bytes(15) + b"\1"]), MEANINGS)


def twin_brands():
    """Two brands whose keys happen to have the same id, found by trying some thousands."""
    seen = {}
    for number in range(100_000):
        brand = f"brand-{number}"
        key_id = Keyring.for_brands([NEW], [brand]).key(brand).key_id
        if key_id in seen:
            return seen[key_id], brand
        seen[key_id] = brand
    raise AssertionError


@given(BRAND, st.sampled_from(CHANNELS), st.text(min_size=1, max_size=50))
def test_a_sealed_token_is_read_as_its_brands(brand, channel, address):
    link = Link(channel, address.replace("\0", "0"), topic="news")
    assert RING.read(links.seal(RING.key(brand), link)) == (brand, link)


@given(BRAND, LINK_IDS)
def test_a_short_token_is_read_as_its_brands_in_any_case(brand, link_id):
    token = RING.short_token(brand, link_id)
    assert RING.read_short(token) == (brand, link_id)
    assert RING.read_short(token.upper()) == (brand, link_id)
    assert RING.read_short(token.title()) == (brand, link_id)


@given(LINK_IDS)
def test_a_link_id_may_be_given_as_a_number(link_id):
    number = int.from_bytes(link_id)
    assert RING.short_token("acme", number) == RING.short_token("acme", link_id)


def test_a_short_token_fits_a_local_part_that_loses_its_case():
    token = RING.short_token("acme", LINK_ID)
    assert len(token) == 31
    assert set(token) <= set(BASE32)
    assert len(f"u+{token}") <= 64


def test_a_short_token_with_any_one_character_changed_is_refused():
    token = RING.short_token("acme", LINK_ID)
    for place, char in enumerate(token):
        for other in (string.ascii_lowercase + string.digits + "=- ").replace(char, ""):
            with pytest.raises(InvalidToken):
                RING.read_short(token[:place] + other + token[place + 1 :])


@given(LINK_IDS, st.integers(min_value=0), st.integers(0, 7))
def test_a_short_token_with_any_one_bit_changed_is_refused(link_id, place, bit):
    octets = bytearray(base64.b32decode(RING.short_token("acme", link_id).upper() + "="))
    octets[place % len(octets)] ^= 1 << bit
    with pytest.raises(InvalidToken):
        RING.read_short(base64.b32encode(octets).decode().rstrip("="))


def test_a_short_token_with_more_or_less_of_it_is_refused():
    token = RING.short_token("acme", LINK_ID)
    for other in (token[:-1], token[1:], token + "a", token + "=", " " + token, token + "\n", ""):
        with pytest.raises(InvalidToken):
            RING.read_short(other)


def test_spare_bits_of_a_short_token_must_be_zero():
    token = RING.short_token("acme", LINK_ID)
    spellings = [token[:-1] + last for last in BASE32]
    read = [one for one in spellings if list(RING.candidates(one))]
    assert read == [token]


@pytest.mark.parametrize("look_alike", ["ı", "ſ", "ａ"])
def test_letters_that_only_fold_to_ascii_are_refused(look_alike):
    with pytest.raises(InvalidToken):
        RING.read_short(look_alike + RING.short_token("acme", LINK_ID)[1:])


@given(st.text(max_size=60) | st.text(BASE32, min_size=31, max_size=31))
def test_any_other_text_is_refused_and_never_a_fault(token):
    assert list(RING.candidates(token)) == []
    with pytest.raises(InvalidToken):
        RING.read(token)
    with pytest.raises(InvalidToken):
        RING.read_short(token)


def test_an_overlong_token_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(base64, "urlsafe_b64decode", pytest.fail)
    monkeypatch.setattr(base64, "b32decode", pytest.fail)
    assert list(RING.candidates("A" * 1025)) == []


def test_an_old_link_works_after_every_rotation():
    sealed = links.seal(BEFORE_ROTATION.key("acme"), LINK)
    short = BEFORE_ROTATION.short_token("acme", LINK_ID)
    assert RING.key("acme") != BEFORE_ROTATION.key("acme")
    assert RING.read(sealed) == ("acme", LINK)
    assert RING.read_short(short) == ("acme", LINK_ID)


def test_new_links_are_made_with_the_newest_master():
    assert Keyring.for_brands([NEW], BRANDS).key("acme") == RING.key("acme")
    assert RING.short_token("acme", LINK_ID) != BEFORE_ROTATION.short_token("acme", LINK_ID)


def test_every_brand_and_master_has_a_key_of_its_own():
    keys = [ring.key(brand) for ring in (RING, BEFORE_ROTATION) for brand in BRANDS]
    assert len(set(keys)) == 4


def test_a_brand_cannot_make_a_token_of_another():
    forged = links.seal(Keyring.for_brands([NEW], ["globex"]).key("globex"), LINK)
    assert RING.read(forged) == ("globex", LINK)
    with pytest.raises(InvalidToken):
        Keyring.for_brands([NEW], ["acme"]).read(forged)


def test_whoever_holds_a_link_key_cannot_forge_short_tokens():
    key = RING.key("acme")
    for secret in (key.secret, key.secret[:32], key.secret[32:]):
        octets = key.key_id + LINK_ID + links.hashlib.sha256(secret + LINK_ID).digest()[:8]
        with pytest.raises(InvalidToken):
            RING.read_short(base64.b32encode(octets).decode().rstrip("="))


def test_brands_whose_keys_share_an_id_are_still_told_apart():
    twins = twin_brands()
    ring = Keyring.for_brands([NEW], twins)
    assert ring.key(twins[0]).key_id == ring.key(twins[1]).key_id
    for brand in twins:
        assert ring.read(links.seal(ring.key(brand), LINK)) == (brand, LINK)
        assert ring.read_short(ring.short_token(brand, LINK_ID)) == (brand, LINK_ID)


def test_a_token_of_either_form_is_known_by_what_it_says():
    assert list(RING.candidates(links.seal(RING.key("acme"), LINK))) == [SealedToken("acme", LINK)]
    short = RING.short_token("globex", LINK_ID)
    assert list(RING.candidates(short.upper())) == [ShortToken("globex", LINK_ID)]


def test_a_sealed_token_as_long_as_a_short_one_is_still_read():
    link = Link("post", "k-7")
    token = links.seal(RING.key("acme"), link)
    assert len(token) == 31
    [read] = RING.candidates(token)
    assert read == SealedToken("acme", link)
    assert read.channel == "post"


def test_a_brand_that_comes_later_leaves_the_others_keys_alone():
    ring = RING.with_brand("initech")
    assert ring.key("acme") == RING.key("acme")
    assert ring.read(links.seal(ring.key("initech"), LINK)) == ("initech", LINK)
    assert ring.read(links.seal(BEFORE_ROTATION.key("globex"), LINK)) == ("globex", LINK)


def test_a_brand_without_keys_is_refused():
    with pytest.raises(UnknownBrand):
        RING.key("initech")
    with pytest.raises(UnknownBrand):
        RING.short_token("initech", LINK_ID)


@pytest.mark.parametrize("masters", [[], [b""], [bytes(31)], [NEW, bytes(33)]])
def test_a_ring_without_whole_masters_is_a_fault(masters):
    with pytest.raises(ValueError, match="32 octets"):
        Keyring.for_brands(masters, BRANDS)


@pytest.mark.parametrize("link_id", [b"", bytes(7), bytes(9)])
def test_a_link_id_of_another_length_is_a_fault(link_id):
    with pytest.raises(ValueError, match="8 octets"):
        RING.short_token("acme", link_id)


@given(ADDRESS_KEYS, MEANINGS)
def test_a_link_is_stored_beside_its_address(address_key, meaning):
    link_id = link_id_for(RING.key("acme"), address_key, **meaning)
    assert len(link_id) == 8
    assert bucket_of_link(link_id) == bucket_of(address_key)


@given(MEANT, MEANT)
def test_link_ids_are_equal_just_when_their_meanings_are(one, other):
    first, second = (
        link_id_for(RING.key(brand), address_key, **meaning)
        for brand, address_key, meaning in (one, other)
    )
    assert (first == second) == (one == other)


def test_a_link_without_a_country_has_the_id_it_had_before_there_were_countries():
    key = links.LinkKey(bytes(64))
    meaning = {"channel": "email", "topic": "news", "language": "de"}
    assert link_id_for(key, bytes(range(16)), **meaning).hex() == "f7d04a1cc32ee60f"


def test_nothing_of_a_ring_is_shown():
    assert repr(NEW)[2:-1] not in repr(RING)
    assert "secret" not in repr(RING)
    assert "example" not in repr(next(RING.candidates(links.seal(RING.key("acme"), LINK))))
