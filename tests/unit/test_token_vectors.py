"""The published format, made a second time from its description alone, and its vectors."""

import base64
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from prefsvc.errors import InvalidToken
from prefsvc.links import InvalidLink, Link, LinkKey, seal, unseal
from prefsvc.token import Keyring

DOCS = Path(__file__).parents[2] / "docs"
VECTORS = json.loads((DOCS / "token-vectors.json").read_text(encoding="utf-8"))
OPTIONS = ("topic", "mailshot", "language")


def named(vectors, *names):
    return [pytest.param(one, id="-".join(str(one[name]) for name in names)) for one in vectors]


def cmac(key, octets):
    one = CMAC(algorithms.AES(key))
    one.update(octets)
    return one.finalize()


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def dbl(octets):
    number = int.from_bytes(octets) << 1
    return ((number ^ 0x87) % 2**128 if number >> 128 else number).to_bytes(16)


def siv(key, associated, payload):
    """AES-SIV as docs/tokens.md spells it out for libraries that lack it."""
    k1, k2 = key[: len(key) // 2], key[len(key) // 2 :]
    d = xor(dbl(cmac(k1, bytes(16))), cmac(k1, associated))
    if len(payload) >= 16:
        t = payload[:-16] + xor(payload[-16:], d)
    else:
        t = xor(dbl(d), (payload + b"\x80").ljust(16, b"\0"))
    v = cmac(k1, t)
    counter = bytearray(v)
    counter[8] &= 0x7F
    counter[12] &= 0x7F
    encryptor = Cipher(algorithms.AES(k2), modes.CTR(bytes(counter))).encryptor()
    return v + encryptor.update(payload) + encryptor.finalize()


def hkdf(master, info, octets):
    """RFC 5869 without salt."""
    secret = hmac.digest(bytes(32), master, "sha256")
    made = block = b""
    while len(made) < octets:
        number = (len(made) // 32 + 1).to_bytes()
        block = hmac.digest(secret, block + info + number, "sha256")
        made += block
    return made[:octets]


def unpadded(text):
    return text.rstrip("=")


@pytest.mark.parametrize("vector", named(VECTORS["keys"], "brand", "key_id"))
def test_the_keys_of_a_brand_derive_as_published(vector):
    master, brand = bytes.fromhex(vector["master"]), vector["brand"].encode()
    key = hkdf(master, b"prefsvc link v1\0" + brand, 64)
    tag_key = hkdf(master, b"prefsvc short link v1\0" + brand, 32)
    key_id = hashlib.sha256(b"prefsvc link key id v1\0" + key).hexdigest()[:6]
    text = f"lk1_{key_id}_{unpadded(base64.urlsafe_b64encode(key).decode())}"
    assert (key.hex(), key_id, text, tag_key.hex()) == (
        vector["link_key"], vector["key_id"], vector["link_key_text"], vector["tag_key"]
    )  # fmt: skip
    assert Keyring.for_brands([master], [vector["brand"]]).key(vector["brand"]).text == text


@pytest.mark.parametrize("vector", named(VECTORS["sealed"], "channel", "token"))
def test_a_sealed_token_is_made_and_read_as_published(vector):
    key = LinkKey.parse(vector["link_key_text"])
    options = {name: vector.get(name) for name in (*OPTIONS, "country")}
    link = Link(vector["channel"], vector["address"], **options)
    assert seal(key, link) == vector["token"]
    assert unseal(key, vector["token"]) == link


@pytest.mark.parametrize("vector", named(VECTORS["sealed"], "channel", "token"))
def test_the_description_alone_makes_the_same_sealed_token(vector):
    head, body = ["email", "sms", "post", "whatsapp"].index(vector["channel"]), b""
    for name, flag in zip(OPTIONS, (4, 8, 16), strict=True):
        if vector[name] is not None:
            text = vector[name].encode()
            head, body = head | flag, body + bytes([len(text)]) + text
    if country := vector.get("country"):
        head, body = head | 32, body + country.encode()
    payload = bytes([head]) + body + vector["address"].encode()
    assert payload.hex() == vector["payload"]

    _, key_id, key = vector["link_key_text"].split("_", 2)
    octets = base64.urlsafe_b64decode(key + "==")
    token = bytes.fromhex(key_id) + siv(octets, bytes.fromhex(key_id), payload)
    assert unpadded(base64.urlsafe_b64encode(token).decode()) == vector["token"]


@pytest.mark.parametrize("vector", named(VECTORS["short"], "brand", "link_id"))
def test_a_short_token_is_made_and_read_as_published(vector):
    brand, link_id = vector["brand"], bytes.fromhex(vector["link_id"])
    ring = Keyring.for_brands([bytes.fromhex(vector["master"])], ["acme", "globex"])
    assert ring.short_token(brand, link_id) == vector["token"]
    assert ring.read_short(vector["token"]) == (brand, link_id)


@pytest.mark.parametrize("vector", named(VECTORS["short"], "brand", "link_id"))
def test_the_description_alone_makes_the_same_short_token(vector):
    [keys] = [
        one for one in VECTORS["keys"]
        if (one["master"], one["brand"]) == (vector["master"], vector["brand"])
    ]  # fmt: skip
    named_link = bytes.fromhex(keys["key_id"] + vector["link_id"])
    tag = hmac.digest(bytes.fromhex(keys["tag_key"]), named_link, "sha256")[:8]
    assert tag.hex() == vector["tag"]
    assert unpadded(base64.b32encode(named_link + tag).decode()).lower() == vector["token"]


@pytest.mark.parametrize("vector", named(VECTORS["invalid_sealed"]["tokens"], "why"))
def test_a_published_bad_sealed_token_is_refused(vector):
    key = LinkKey.parse(VECTORS["invalid_sealed"]["link_key_text"])
    with pytest.raises(InvalidLink):
        unseal(key, vector["token"])


@pytest.mark.parametrize("vector", named(VECTORS["invalid_short"]["tokens"], "why"))
def test_a_published_bad_short_token_is_refused(vector):
    bad = VECTORS["invalid_short"]
    ring = Keyring.for_brands([bytes.fromhex(bad["master"])], [bad["brand"]])
    with pytest.raises(InvalidToken):
        ring.read_short(vector["token"])


@pytest.mark.parametrize("vector", named(VECTORS["invalid_keys"], "why"))
def test_a_published_bad_key_is_refused(vector):
    with pytest.raises(ValueError, match="link key"):
        LinkKey.parse(vector["link_key_text"])


def test_the_page_shows_a_key_of_the_vectors():
    page = (DOCS / "tokens.md").read_text(encoding="utf-8")
    assert VECTORS["keys"][0]["link_key_text"] in page
