"""Whether Twilio signed a request: the one place that knows its validator.

Rule 1: no input raises; what cannot be checked is not signed, which the caller answers with 403.
Rule 2: the URL is the public origin from configuration and the raw path as it arrived; never one
rebuilt, never from X-Forwarded-* (S-03, S-04).
Rule 3: every byte of a body is covered, by the form's parameters or by `bodySHA256`.

The library computes signatures. Its `validate` is not used: it raises on a missing header and on
JSON without `bodySHA256`, breaks URLs with credentials or IPv6 hosts when it takes their port away,
and does not check a hash beside a form (twilio 9.13; S-05, S-06).
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qs

from multidict import MultiMapping
from twilio.request_validator import RequestValidator, get_signature_algorithm

from prefsvc.sms.twilio.form import PARAMETERS_MAX

# By hand, because urllib neither gives back the bytes it read nor accepts every host.
_URL: Final = re.compile(
    r"(?P<bare>(?P<scheme>https?)://(?:[^/?]*@)?(?:\[[^]/?]*\]|[^]\[:/?@]*))"
    r"(?P<port>:[0-9]*)?(?P<path>(?:/[^?]*)?)(?P<query>(?:\?.*)?)",
    re.DOTALL | re.IGNORECASE,
)


def is_signed_by(
    tokens: Iterable[str],
    *,
    url: str,
    form: MultiMapping[object] | None,
    body: bytes,
    signature: str | None,
    signature_settings: str | None = None,
) -> bool:
    """Say whether one of these auth tokens, or secrets of SharedKeys, signed this (S-02, S-10).

    `form` holds the parameters read from `body`, or is None where the body is not a form.
    `signature_settings` is the header in which a SharedKey's signature names its algorithm; without
    one it is an auth token's, HMAC_SHA1.
    """
    if not signature or not signature.isascii():
        return False
    called = url.partition("#")[0]  # connection overrides stand after it and are not signed (S-08)
    parameters = _parameters(form)
    if parameters is None or not _is_covered(body, parameters, called):
        return False
    algorithm = get_signature_algorithm(signature_settings)
    # A proxy that folds two signature headers into one ("a, b") matches nothing here.
    return any(
        hmac.compare_digest(expected, signature)
        for expected in _expected(tokens, called, parameters, algorithm)
    )


class _Parameters(dict[str, list[str]]):
    """All the values of each parameter, as the library asks for them."""

    def getall(self, name: str) -> list[str]:
        """Return every value that came under this name."""
        return self[name]


def _parameters(form: MultiMapping[object] | None) -> _Parameters | None:
    """Return blank and repeated parameters too; None where they are not what Twilio sends."""
    found = _Parameters()
    if form is None:
        return found
    if len(form) > PARAMETERS_MAX:
        return None
    for name, value in form.items():
        if not isinstance(value, str):  # an uploaded file
            return None
        found.setdefault(name, []).append(value)
    return found


def _is_covered(body: bytes, parameters: _Parameters, url: str) -> bool:
    digests = parse_qs(url.partition("?")[2]).get("bodySHA256")
    if digests is None:
        return bool(parameters) or not body
    # S-06: checked wherever it is claimed; the library lets it pass beside a form.
    actual = hashlib.sha256(body).hexdigest().encode()
    return len(digests) == 1 and hmac.compare_digest(actual, digests[0].encode(errors="replace"))


def _expected(
    tokens: Iterable[str], url: str, parameters: _Parameters, algorithm: str
) -> Iterator[str]:
    spellings = _spellings(url)
    for token in filter(str.strip, tokens):  # an unset token is one that everybody knows
        for spelling in spellings:
            yield _signature(token, spelling, parameters, algorithm)


def _signature(token: str, url: str, parameters: _Parameters, algorithm: str) -> str:
    try:
        computed: str = RequestValidator(token).compute_signature(url, parameters, algorithm)
    except ValueError:  # an unknown algorithm, or a lone surrogate, which nobody can have signed
        return ""
    return computed


def _spellings(url: str) -> list[str]:
    """Return the URL in each form that Twilio's back end is known to sign: S-05, ports."""
    parts = _URL.fullmatch(url)
    if parts is None:
        return [url]
    bare, port, path = parts["bare"], parts["port"], parts["path"]
    standard = ":443" if parts["scheme"].lower() == "https" else ":80"
    origins = (bare + (port or standard), bare)
    return [o + path + q for o in origins for q in _queries(parts["query"])]


def _queries(query: str) -> set[str]:
    """Return the query as it came and as Twilio signs it: escaped otherwise, saying the same.

    Apostrophes come either way (twilio-node issues 1059 and 1183), and `@` and `:` are signed
    before they are escaped (twilio-node pull request 621).
    """
    plain = re.sub("%(?:27|3[Aa]|40)", lambda m: chr(int(m[0][1:], 16)), query)
    return {query, query.replace("'", "%27"), query.replace("%27", "'"), plain}
