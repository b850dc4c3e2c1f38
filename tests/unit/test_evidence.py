import json

from hypothesis import example, given
from hypothesis import strategies as st

from prefsvc.evidence import DEPTH_MAX, ITEMS_MAX, TEXT_LENGTH_MAX, digest, storable
from prefsvc.ledger_row import canonical_json

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats()
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
evidence = st.dictionaries(st.text(max_size=10), anything, max_size=5)


def texts(value):
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


@given(evidence)
@example({"a": "b'\\u0000'"})
@example({"a": "\0", "b": "\ud800", "\0": 1.5, "c": float("nan"), "d": b"\xff"})
def test_any_evidence_is_stored_and_read_back_the_same(given_evidence):
    kept = storable(given_evidence)
    assert json.loads(canonical_json(kept)) == kept
    assert not any("\0" in text for text in texts(kept))
    assert storable(kept) == kept
    assert digest(json.loads(canonical_json(kept))) == digest(kept)


@given(evidence, st.randoms())
def test_the_digest_does_not_depend_on_the_order_of_keys(given_evidence, random):
    kept = list(storable(given_evidence).items())
    shuffled = random.sample(kept, len(kept))
    assert digest(dict(shuffled)) == digest(dict(kept))


def test_another_word_has_another_digest():
    assert digest({"a": "stop"}) != digest({"a": "Stop"})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_what_is_too_long_is_cut():
    assert storable({"a": "x" * (TEXT_LENGTH_MAX + 1)}) == {"a": "x" * TEXT_LENGTH_MAX}
    assert len(storable({str(n): n for n in range(ITEMS_MAX + 1)})) == ITEMS_MAX
    assert storable({"a": list(range(ITEMS_MAX + 1))}) == {"a": list(range(ITEMS_MAX))}


def test_what_is_too_deep_is_kept_as_text():
    nested = "bottom"
    for _ in range(DEPTH_MAX + 5):
        nested = [nested]
    kept = storable({"a": nested})["a"]
    for _ in range(DEPTH_MAX):
        [kept] = kept
    assert isinstance(kept, str)
    assert "bottom" in kept


def test_what_is_empty_is_left_out():
    assert storable({"a": None, "b": "", "c": 0}) == {"b": "", "c": 0}
