import json

import pytest

from prefsvc.honour import CALENDAR_VERSION, load_rules

BRAND = """
slug = "acme"
name = "Acme"
languages = ["en"]
time_zone = "{zone}"
channels = ["email", "sms", "post"]
numbers = ["+12025550100"]
rules = [{rules}]
[support]
email = "help@acme.example.com"
[promises.post]
window = "10 days"
target = "5 days"
"""
NEW_YORK, SYDNEY, AUCKLAND = "America/New_York", "Australia/Sydney", "Pacific/Auckland"
FRIDAY, CHRISTMAS_EVE = "2026-11-20", "2026-12-24"


@pytest.fixture
def brand_file(tmp_path):
    def written(*rules, zone=NEW_YORK):
        file = tmp_path / "acme.toml"
        file.write_text(BRAND.format(zone=zone, rules=", ".join(f'"{one}"' for one in rules)))
        return file

    return written


@pytest.fixture
def explain(prefsvc):
    """Explain without a database: a brand's file needs none."""

    def explained(brand, channel="email", at=FRIDAY, *words):
        return prefsvc(
            "windows", "explain", "--brand", brand, "--channel", channel, "--at", at, *words,
            database_url="postgresql://127.0.0.1:1/nowhere",
        )  # fmt: skip

    return explained


@pytest.fixture
def told(explain):
    def told(brand, channel="email", at=FRIDAY, *words):
        ran = explain(brand, channel, at, *words, "--json")
        assert (ran.code, ran.err) == (0, "")
        return json.loads(ran.out)

    return told


@pytest.mark.parametrize(
    ("rule", "where", "days"),
    [
        ("can-spam", ("email", NEW_YORK), ("2026-12-07", "2026-12-03")),
        ("tcpa", ("sms", NEW_YORK), ("2026-12-07", "2026-12-03")),
        ("do-not-call", ("sms", NEW_YORK), ("2026-12-07", "2026-12-03")),
        ("ccpa", ("third_party_sharing", "America/Los_Angeles"), ("2026-12-14", "2026-12-10")),
        ("casl", ("email", "America/Toronto"), ("2026-12-04", "2026-12-03")),
        ("australia", ("email", SYDNEY), ("2026-11-26", "2026-11-26")),
        ("new-zealand", ("sms", AUCKLAND), ("2026-11-27", "2026-11-26")),
        ("singapore", ("email", "Asia/Singapore"), ("2026-12-04", "2026-12-03")),
        ("hong-kong", ("email", "Asia/Hong_Kong"), ("2026-12-04", "2026-12-03")),
        ("gmail", ("email", NEW_YORK), ("2026-11-22", "2026-11-22")),
        ("yahoo", ("email", NEW_YORK), ("2026-11-22", "2026-11-22")),
    ],
)
def test_a_friday_in_november_ends_as_the_law_has_it(told, brand_file, rule, where, days):
    channel, zone = where
    found = told(brand_file(rule, zone=zone), channel)
    assert (found["set_by"], found["calendar"]) == (rule, CALENDAR_VERSION)
    assert (found["statutory"][:10], found["conservative"][:10]) == days
    [only] = found["rules"]
    assert (only["id"], only["statutory"], only["conservative"]) == (
        rule,
        found["statutory"],
        found["conservative"],
    )
    assert (only["statutory_day"], only["conservative_day"]) == days


@pytest.mark.parametrize(
    ("rule", "zone", "statutory"),
    [("can-spam", NEW_YORK, "2027-01-11"), ("australia", SYDNEY, "2027-01-04")],
)
def test_a_christmas_eve_ends_after_the_holidays(told, brand_file, rule, zone, statutory):
    found = told(brand_file(rule, zone=zone), "email", CHRISTMAS_EVE)
    assert found["statutory"].startswith(statutory)


def test_a_promise_is_counted_with_its_target(told, brand_file):
    found = told(brand_file(), "post", f"{FRIDAY}T12:00")
    assert (found["set_by"], found["conservative"], found["target"]) == (
        "promise",
        "2026-11-30T12:00:00-05:00",
        "2026-11-25T12:00:00-05:00",
    )
    assert found["statutory"] == "2026-11-30T23:59:59.999999-05:00"


def test_the_reasoning_is_printed_in_words(explain, brand_file):
    ran = explain(brand_file("can-spam"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("The deadline is Thursday 3 December 2026, 22:59 (America/New_York).")
    assert "Thanksgiving Day (Thursday 26 November 2026) are skipped" in ran.out


def test_the_country_and_the_mailbox_choose_the_rules(told, brand_file):
    brand = brand_file("can-spam", "gmail", "yahoo")
    assert [one["id"] for one in told(brand)["rules"]] == ["can-spam", "gmail", "yahoo"]
    found = told(brand, "email", FRIDAY, "--country", "NZ", "--domain", "Gmail.com")
    assert [one["id"] for one in found["rules"]] == ["gmail", "new-zealand"]
    assert (found["country"], found["added"], found["dropped"]) == (
        "NZ",
        ["new-zealand"],
        ["can-spam"],
    )


def test_other_matters_have_their_own_windows(told, brand_file):
    found = told(brand_file(), "privacy_request", FRIDAY, "--country", "US")
    assert (found["set_by"], found["rules"][0]["window"]) == ("ccpa-request", "45 days")


def test_a_clock_that_starts_with_sending_runs_from_there(told, brand_file):
    sent = ["--sent-at", "2026-11-18T09:00"]
    [casl] = told(brand_file("casl"), "email", FRIDAY, *sent)["rules"]
    assert casl["started_at"] == "2026-11-18T09:00:00-05:00"
    [can_spam] = told(brand_file("can-spam"), "email", FRIDAY, *sent)["rules"]
    assert can_spam["started_at"] == "2026-11-20T12:00:00-05:00"


@pytest.mark.parametrize(
    ("at", "started_at"),
    [
        ("2026-11-20", "2026-11-20T12:00:00-05:00"),
        ("2026-11-20T09:30", "2026-11-20T09:30:00-05:00"),
        ("2026-11-20T09:30Z", "2026-11-20T04:30:00-05:00"),
        ("2026-11-20T09:30+11:00", "2026-11-19T17:30:00-05:00"),
    ],
)
def test_a_moment_without_an_offset_is_the_brands_and_a_day_is_its_noon(
    told, brand_file, at, started_at
):
    assert told(brand_file("can-spam"), "email", at)["rules"][0]["started_at"] == started_at


def test_an_applied_brand_is_known_by_its_slug(prefsvc, brands):
    words = ["--channel", "email", "--at", FRIDAY, "--json"]
    ran = prefsvc("windows", "explain", "--brand", "1-atelier", *words)
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["set_by"] == "promise"
    ran = prefsvc("windows", "explain", "--brand", "nobody", *words)
    assert (ran.code, ran.out) == (1, "")
    assert "No such brand is applied here" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["email", "20/11/2026"], "Write a moment as"),
        (["email", "0001-01-01"], "from 1970 to 2999"),
        (["email", "9999-12-31T23:00-10:00"], "from 1970 to 2999"),
        (["email", FRIDAY, "--sent-at", "2026-11-21"], "--sent-at is after --at"),
        (["email", FRIDAY, "--sent-at", "soon"], "Write a moment as"),
        (["email", FRIDAY, "--country", "UK"], "two capital letters"),
        (["email", FRIDAY, "--country", ""], "two capital letters"),
        (["email", FRIDAY, "--domain", "ann@gmail.com"], "the domain of a mailbox"),
        (["registry", FRIDAY], "No rule says how long this may take"),
    ],
)
def test_bad_input_is_refused_with_a_sentence(explain, brand_file, words, said):
    ran = explain(brand_file("can-spam"), *words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("prefsvc: ")
    assert said in ran.err


def test_a_channel_that_there_is_not_is_refused_with_those_there_are(explain, brand_file):
    ran = explain(brand_file(), "fax")
    assert ran.code == 2
    assert "invalid choice: 'fax'" in ran.err
    assert "third_party_sharing" in ran.err


def test_a_brand_file_that_is_wrong_or_missing_is_refused(explain, brand_file, tmp_path):
    ran = explain(brand_file("cann-spam"))
    assert (ran.code, ran.out) == (1, "")
    assert 'rules[0]: "cann-spam" is not known here; did you mean "can-spam"?' in ran.err
    ran = explain(tmp_path / "none.toml")
    assert (ran.code, ran.out) == (1, "")
    assert "none.toml: there is no such file" in ran.err


def test_every_rule_is_listed_with_its_window_and_source(prefsvc):
    ran = prefsvc("windows", "list")
    assert (ran.code, ran.err) == (0, "")
    heads, sources = ran.out.splitlines()[::2], ran.out.splitlines()[1::2]
    for rule, head, source in zip(load_rules().values(), heads, sources, strict=True):
        assert head.startswith(f"{rule.id}  {rule.window.written} from ")
        assert source == f"    {rule.title}. {rule.source}"
    assert (
        "australia  5 business days from sending, the first day counts  (email, sms, whatsapp; AU"
        in ran.out
    )
