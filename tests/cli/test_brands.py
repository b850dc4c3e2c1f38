import re

import pytest

from prefsvc.examples import examples
from tests.support.cast import ACME, ACMES_PROFILE

ATELIER = "1-atelier"


@pytest.fixture
def spoil(brand_files):
    """Change a brand file by a word, which must be there."""

    def change(name, before, after):
        file = brand_files / f"{name}.toml"
        text = file.read_text("utf-8")
        assert before in text
        file.write_text(text.replace(before, after, 1), "utf-8")
        return file

    return change


def rename(spoil, name):
    return spoil(ATELIER, 'name = "1 Atelier"', f'name = "{name}"')


def test_the_shipped_brands_are_sound(prefsvc):
    ran = prefsvc("brands", "check", examples())
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("5 brands are sound: ")
    assert ATELIER in ran.out


@pytest.mark.parametrize(
    ("services", "by_provider", "is_told"),
    [
        (f'["{ACMES_PROFILE}"]', "false", True),
        (f'["{ACMES_PROFILE}"]', "true", False),
        ('["MG00000000000000000000000000000acc"]', "false", False),
    ],
)
def test_a_brand_that_would_answer_by_telnyx_is_told_that_it_cannot(
    prefsvc, tmp_path, services, by_provider, is_told
):
    beginning, _, end = ACME.partition("messaging_services")
    changed = f"{beginning}messaging_services = {services}\n{end.partition(']')[2]}"
    file = tmp_path / "acme.toml"
    file.write_text(f"{changed}[sms]\nreplies_by_provider = {by_provider}\n")
    ran = prefsvc("brands", "check", file)
    assert (ran.code, ran.err) == (0, "")
    assert ("acme: note that replies_by_provider = false is for Twilio" in ran.out) == is_told


def test_all_that_is_wrong_in_all_files_is_said_at_once(prefsvc, spoil, brand_files):
    spoil(ATELIER, 'window = "10 days"', 'window = "ten days"')
    spoil(ATELIER, 'languages = ["en"]', 'languages = ["en"]\ncolour = "red"')
    spoil("ducallier", "[[topics]]", "[[topics")
    (brand_files / "latin.toml").write_bytes(b'name = "\xe9"\n')
    ran = prefsvc("brands", "check", brand_files)
    assert (ran.code, ran.out) == (1, "")
    said = ran.err.removeprefix("prefsvc: ").splitlines()
    atelier = [line for line in said if line.startswith("1-atelier.toml")]
    assert any("promises.email" in line for line in atelier)
    assert any("colour" in line for line in atelier)
    assert any(re.match(r"ducallier\.toml:\d+:\d+: ", line) for line in said)
    assert "latin.toml: not UTF-8 text" in said


def test_a_file_that_is_not_there_is_named(prefsvc, tmp_path):
    ran = prefsvc("brands", "check", tmp_path / "no.toml", examples(), tmp_path / "nor.toml")
    assert (ran.code, ran.out) == (1, "")
    assert [line.endswith("there is no such file") for line in ran.err.splitlines()] == [True] * 2


def test_a_folder_without_brand_files_is_refused(prefsvc, tmp_path):
    ran = prefsvc("brands", "check", tmp_path)
    assert (ran.code, ran.err) == (1, "prefsvc: There is no *.toml file there.\n")


def test_two_brands_cannot_have_one_number_or_slug(prefsvc, brand_files):
    (brand_files / "twin.toml").write_bytes((brand_files / f"{ATELIER}.toml").read_bytes())
    ran = prefsvc("brands", "check", brand_files)
    assert ran.code == 1
    assert ATELIER in ran.err


def test_check_changes_nothing(prefsvc):
    before = prefsvc("brands", "show").out
    assert prefsvc("brands", "check", examples()).code == 0
    assert prefsvc("brands", "show").out == before


def test_applying_again_leaves_all_as_it_was(prefsvc, brands):
    ran = prefsvc("brands", "apply", examples())
    assert ran.code == 0
    assert ran.out.splitlines() == [*(f"{slug}: as it was" for slug in brands), "Applied."]


def test_a_dry_run_says_what_would_change_and_changes_nothing(prefsvc, brands, brand_files, spoil):
    rename(spoil, "Second Atelier")
    before = prefsvc("brands", "show", ATELIER).out
    dry = prefsvc("brands", "apply", "--dry-run", brand_files)
    assert dry.code == 0
    assert "Second Atelier" in dry.out
    assert dry.out.endswith("Nothing was changed (dry run).\n")
    assert prefsvc("brands", "show", ATELIER).out == before
    wet = prefsvc("brands", "apply", brand_files)
    assert wet.out.splitlines()[:-1] == dry.out.splitlines()[:-1]
    assert "Second Atelier" in prefsvc("brands", "show", ATELIER).out


def test_nothing_is_applied_if_one_file_is_broken(prefsvc, brands, brand_files, spoil):
    rename(spoil, "Third Atelier")
    spoil("ducallier", "[[topics]]", "[[topics")
    ran = prefsvc("brands", "apply", brand_files)
    assert (ran.code, ran.out) == (1, "")
    assert "Third Atelier" not in prefsvc("brands", "show", ATELIER).out


def test_show_lists_brands_and_shows_one_whole(prefsvc, brands):
    assert [line.split()[0] for line in prefsvc("brands", "show").out.splitlines()] == brands
    one = prefsvc("brands", "show", ATELIER).out
    assert one.startswith(f"slug: {ATELIER}\n")
    assert "window: 10 days" in one


@pytest.mark.parametrize("words", [("show", "nobody"), ("retire", "nobody")])
def test_an_unknown_brand_is_refused(prefsvc, brands, words):
    ran = prefsvc("brands", *words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("prefsvc: No such brand is applied here")


def test_a_retired_brand_is_shown_as_such_and_comes_back_when_applied(prefsvc, brands):
    ran = prefsvc("brands", "retire", ATELIER)
    assert (ran.code, ran.err) == (0, "")
    assert "its links keep working" in ran.out
    [line] = [one for one in prefsvc("brands", "show").out.splitlines() if ATELIER in one]
    assert line.endswith("  retired")
    link = prefsvc("links", "mint", ATELIER, "ann@example.org")
    assert link.code == 0
    back = prefsvc("brands", "apply", examples())
    assert f"{ATELIER}: as it was" not in back.out
    assert "retired" not in prefsvc("brands", "show").out


@pytest.mark.parametrize("words", [(), ("brands",), ("brands", "check"), ("brands", "burn")])
def test_misuse_is_told_with_2(prefsvc, words):
    ran = prefsvc(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "usage: prefsvc" in ran.err
