import json
import os
from pathlib import Path

import pytest
from multidict import MultiDict

from prefsvc.sms.twilio.signature import is_signed_by

ROOT = Path(__file__).parents[2]
CORPORA = ROOT / os.environ.get("PREFSVC_CORPORA", "../shared/corpora")
VECTORS = CORPORA / "webhooks/twilio_signature_vectors.json"

pytestmark = pytest.mark.skipif(
    not VECTORS.is_file(), reason="no corpora; PREFSVC_CORPORA names their folder"
)


def vectors():
    return json.loads(VECTORS.read_text(encoding="utf-8")) if VECTORS.is_file() else []


def form_of(params):
    if params is None:
        return None
    pairs = ((n, v) for n, vs in params.items() for v in (vs if isinstance(vs, list) else [vs]))
    return MultiDict(pairs)


@pytest.mark.parametrize("vector", vectors(), ids=lambda v: v["name"])
def test_the_official_libraries_vectors_agree(vector):
    assert vector["valid"] is is_signed_by(
        [vector["auth_token"]],
        url=vector["url"],
        form=form_of(vector["params"]),
        body=(vector["body"] or "").encode(),
        signature=vector["signature"],
    )


def test_the_vectors_hold_both_verdicts():
    assert {vector["valid"] for vector in vectors()} == {True, False}
