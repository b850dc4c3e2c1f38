import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.mail import dmarc
from prefsvc.mail.spf import Question

POLICY = "v=DMARC1; p=none"


def walked(domain, published):
    walk, asked = dmarc.walk(domain), []
    try:
        question = next(walk)
        while True:
            asked.append(question.name)
            question = walk.send(published.get(question.name, []))
    except StopIteration as done:
        return done.value, asked


def is_aligned(author, passed, published, strict="adkim"):
    found = {f"_dmarc.{name}": [text] for name, text in published.items()}
    return dmarc.is_aligned(walked(author, found)[0], walked(passed, found)[0], strict=strict)


@pytest.mark.parametrize(
    ("author", "passed", "published", "expected"),
    [
        ("example.org", "example.org", {}, True),
        ("news.example.org", "example.org", {}, True),
        ("example.org", "news.example.org", {}, False),
        ("example.org", "org", {}, False),
        ("example.org", "evil.net", {}, False),
        ("example.org", "news.example.org", {"example.org": POLICY}, True),
        ("a.example.org", "b.example.org", {"example.org": POLICY}, True),
        ("example.org", "notexample.org", {"example.org": POLICY}, False),
        ("example.org", "news.example.org", {"example.org": f"{POLICY}; adkim=s"}, False),
        ("example.org", "example.org", {"example.org": f"{POLICY}; adkim=s"}, True),
        ("a.co.example", "b.co.example", {"co.example": f"{POLICY}; psd=y"}, False),
        ("a.co.example", "x.a.co.example", {"co.example": f"{POLICY}; psd=y"}, True),
        ("a.example.org", "example.org", {"a.example.org": f"{POLICY}; psd=n"}, False),
        ("example.org", "evil.net", {"example.org": POLICY, "evil.net": POLICY}, False),
        ("example.org", "news.example.org", {"example.org": "v=spf1"}, False),
    ],
)  # fmt: skip
def test_what_passed_must_be_of_the_authors_organisation(author, passed, published, expected):
    assert is_aligned(author, passed, published) == expected


def test_each_of_the_two_may_be_strict_by_itself():
    published = {"example.org": f"{POLICY}; aspf=s"}
    assert is_aligned("example.org", "a.example.org", published, strict="adkim")
    assert not is_aligned("example.org", "a.example.org", published, strict="aspf")


def test_only_who_publishes_a_policy_can_fail_it():
    nobody, _ = walked("example.org", {})
    somebody, _ = walked("example.org", {"_dmarc.example.org": [POLICY]})
    away, _ = walked("example.org", {"_dmarc.example.org": None})
    results = [dmarc.result(one, is_aligned=False) for one in (nobody, somebody, away)]
    assert results == ["none", "fail", "temperror"]
    assert dmarc.result(somebody, is_aligned=True) == "pass"


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_a_walk_asks_so_many_names_and_ends_at_the_top(labels):
    domain = ".".join(labels)
    found, asked = walked(domain, {})
    assert found == dmarc.Published(domain)
    assert len(asked) <= dmarc.LABELS_MAX
    assert asked[0] == f"_dmarc.{domain}"
    assert asked[-1] == f"_dmarc.{labels[-1]}"


def test_what_is_unknown_proves_only_the_very_domain():
    away = dmarc.Published("example.org", is_unknown=True)
    assert dmarc.is_aligned(away, dmarc.Published("example.org"), strict="adkim")
    assert not dmarc.is_aligned(away, dmarc.Published("org"), strict="adkim")


def test_the_first_question_is_for_the_domain_itself():
    assert next(dmarc.walk("example.org")) == Question("TXT", "_dmarc.example.org")
