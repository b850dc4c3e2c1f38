import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.web.contact import contact_link
from prefsvc.web.pages import Form, Frame, HomePage, Look, Subject, render
from tests.support.html_reading import read_html
from tests.support.page_cast import (
    BRAND,
    BY_POST,
    DEADLINE,
    EARLIER,
    LANGUAGES,
    LOOK,
    RECEIPT,
    TEXTS_BY_PHONE,
    confirm,
    done,
    every_page,
    problem,
    undone,
)

EVERY_PAGE = [
    pytest.param(view, id=f"{name}-{language}")
    for language in LANGUAGES
    for name, view in every_page(language).items()
]


def read(view):
    return read_html(render(view).html)


def forms(view):
    return list(read(view).all("form"))


@pytest.mark.parametrize("view", EVERY_PAGE)
def test_a_page_says_its_language_and_direction_and_has_one_heading_and_its_landmarks(view):
    page = read(view)
    html = page.one("html")
    assert html.attributes["lang"] == view.frame.language
    assert html.attributes["dir"] == ("rtl" if view.frame.language == "ar" else "ltr")
    assert page.one("h1").text
    assert page.one("title").text.startswith(page.one("h1").text)
    assert page.one("main")
    assert page.one("header")


@pytest.mark.parametrize("view", EVERY_PAGE)
def test_a_page_has_no_script_and_nothing_from_elsewhere(view):
    page = read(view)
    assert not list(page.all("script", "iframe", "img", "object", "base"))
    for element in page.all():
        assert "src" not in element.attributes
        assert "style" not in element.attributes
        assert not [name for name in element.attributes if name.startswith("on")]
    assert page.one("link").attributes["href"].startswith("data:image/svg+xml,")
    assert "url(" not in page.one("style").text
    assert "@import" not in page.one("style").text


@pytest.mark.parametrize("view", EVERY_PAGE)
def test_nothing_must_be_typed_or_chosen_on_any_page(view):
    page = read(view)
    assert not list(page.all("select", "textarea"))
    assert {one.attributes["type"] for one in page.all("input")} <= {"hidden"}
    for form in page.all("form"):
        assert form.attributes["method"] == "post"
        assert len(list(form.all("button"))) == 1
    for element in page.all():
        assert not {"required", "checked", "autofocus"} & element.attributes.keys()


@pytest.mark.parametrize("view", EVERY_PAGE)
def test_every_field_of_every_text_is_filled_in(view):
    page = read(view)
    assert "{" not in page.one("body").text
    assert "}" not in page.one("body").text
    assert "None" not in page.one("body").text


def test_the_confirm_page_has_one_button_that_posts_to_its_own_address():
    [form] = forms(confirm())
    assert "action" not in form.attributes
    assert form.hidden_fields == {"nonce": "nonce-1"}
    assert form.one("button").text == "Unsubscribe"
    assert form.one("button").attributes["type"] == "submit"


@pytest.mark.parametrize(
    ("subject", "heading"),
    [
        (confirm().subject, "Unsubscribe from “New arrivals”"),
        (TEXTS_BY_PHONE, "Unsubscribe from all Acme Studio marketing texts"),
        (BY_POST, "Unsubscribe from all Acme Studio advertising by post"),
        (BRAND, "Unsubscribe from all Acme Studio marketing"),
    ],
)
def test_the_confirm_page_says_what_will_stop_and_for_which_address(subject, heading):
    page = read(confirm(subject=subject))
    assert page.one("h1").text == heading
    assert subject.masked_address in page.one("main").text


def test_the_confirm_page_says_what_happens_by_when_and_what_continues():
    main = read(confirm()).one("main")
    assert "It counts at once." in main.text
    assert "will have stopped by 30 November 2026 at the latest" in main.text
    assert main.one("time").attributes["datetime"] == DEADLINE.isoformat()
    assert "messages about your orders or account" in main.text


def test_without_a_deadline_no_day_is_promised():
    main = read(confirm(deadline=None)).one("main")
    assert not list(main.all("time"))
    assert "at the latest" not in main.text


def test_printed_mail_that_is_under_way_is_not_hidden():
    assert "may still arrive" in read(done(subject=BY_POST)).one("main").text
    assert "may still arrive" not in read(done()).one("main").text


def test_the_done_page_announces_what_stopped_and_gives_a_receipt():
    main = read(done()).one("main")
    [status] = [one for one in main.all() if one.attributes.get("role") == "status"]
    assert "You are unsubscribed from “New arrivals”" in status.text
    assert "a***@e***.com" in status.text
    assert main.one("code").text == RECEIPT
    assert "by 30 November 2026 at the latest" in main.text


def test_the_done_page_offers_to_stop_everything_and_to_undo():
    everything, undo = forms(done())
    assert "action" not in everything.attributes
    assert everything.hidden_fields == {"nonce": "nonce-1", "everything": "1"}
    assert undo.attributes["action"] == "/u/one/undo"
    assert undo.hidden_fields == {"ticket": "ticket-1"}


def test_undo_is_offered_only_with_a_ticket():
    [only] = forms(done(undo=None))
    assert "everything" in only.hidden_fields
    assert "Undo" not in read(done(undo=None)).one("main").text


@pytest.mark.parametrize("subject", [TEXTS_BY_PHONE, BRAND])
def test_stopping_everything_is_offered_only_where_a_topic_was_stopped(subject):
    [only] = forms(done(subject=subject))
    assert "ticket" in only.hidden_fields


def test_who_was_unsubscribed_before_reads_that_and_since_when():
    main = read(done(already=True, since=EARLIER)).one("main")
    assert main.one("h1").text == "You were already unsubscribed from “New arrivals”"
    assert "Your request of 1 November 2026 stands." in main.text
    assert "Your earlier request stands." in read(done(already=True)).one("main").text


def test_the_undone_page_says_so_and_offers_the_way_out_again():
    page = read(undone())
    assert page.one("h1").text == "You can get “New arrivals” again"
    assert page.one("form").attributes["action"] == "/u/one"
    assert page.one("form").hidden_fields == {"nonce": "nonce-1"}


@pytest.mark.parametrize("kind", ["damaged", "too_late", "try_again"])
def test_a_problem_page_says_what_to_do_with_and_without_support(kind):
    with_support = read(problem(kind=kind, support="help@example.com")).one("main")
    assert with_support.one("a" if kind != "try_again" else "bdi")
    assert "help@example.com" in with_support.text
    assert "{contact}" not in read(problem(kind=kind)).one("main").text
    assert len(list(read(problem(kind=kind)).one("main").all("p"))) >= 3


def test_a_request_that_could_not_be_stored_is_repeated_whole_by_one_button():
    view = problem(kind="try_again", retry=Form.opt_out("nonce-1", everything=True))
    [form] = forms(view)
    assert form.hidden_fields == {"nonce": "nonce-1", "everything": "1"}
    assert "action" not in form.attributes


def test_a_page_that_could_not_be_loaded_is_loaded_again_by_a_link():
    [link] = read(problem(kind="try_again")).one("main").all("a")
    assert link.attributes["href"] == ""


def test_the_home_page_leads_to_the_documentation():
    page = read(HomePage(frame=Frame(language="en")))
    assert page.one("a").attributes["href"] == "/docs"


def test_the_switch_keeps_the_path_and_marks_the_language_that_is_on():
    links = list(read(confirm("fr")).one("nav").all("a"))
    assert {one.attributes["href"] for one in links} == {f"?lang={one}" for one in LANGUAGES}
    [current] = [one for one in links if "aria-current" in one.attributes]
    assert current.text == "Français"
    assert {one.attributes["lang"] for one in links} == set(LANGUAGES)


def test_there_is_no_switch_without_a_choice_nor_after_a_post():
    alone = Frame(language="en", languages=("en", "xx"))
    assert not list(read(HomePage(frame=alone)).all("nav"))
    assert not list(read(done()).all("nav"))
    assert not list(read(undone()).all("nav"))


def test_a_language_that_is_not_spoken_becomes_the_nearest_one():
    assert read(confirm("fr-CA")).one("html").attributes["lang"] == "fr"
    assert read(confirm("tlh")).one("html").attributes["lang"] == "en"


def test_names_in_another_language_than_the_page_say_so():
    look = Look(name="Atelier", names_language="fr")
    heading = read(confirm(look=look)).one("h1")
    assert heading.one("bdi").attributes["lang"] == "fr"
    assert "lang" not in read(confirm()).one("h1").one("bdi").attributes


HOSTILE = "<script>alert(1)</script>&{brand}{0}\"' onload="


def test_what_brands_and_callers_write_is_text_and_never_markup():
    look = Look(name=HOSTILE, logo=HOSTILE, names_language='fr" onload="x')
    subject = Subject(covered="topic", channel="email", masked_address=HOSTILE, topic=HOSTILE)
    for view in (confirm(look=look, subject=subject), done(look=look, subject=subject)):
        page = read(view)
        assert not list(page.all("script"))
        assert HOSTILE in page.one("h1").text
        assert not [one for one in page.all() if "onload" in one.attributes]


@given(st.text(min_size=1, max_size=40))
def test_any_name_is_shown_as_it_is(name):
    subject = Subject(covered="topic", channel="email", masked_address="a***@e***.com", topic=name)
    html = render(confirm(subject=subject)).html
    shown = html.split("<h1>")[1].split("</h1>")[0]
    assert shown.count("<") == 2  # the name's own <bdi> and its end
    assert shown.count("“") == 1 + name.count("“")


@pytest.mark.parametrize("name", ["Acme Studio", "Acme & Sons"])
def test_the_title_names_the_brand_once(name):
    look = Look(name=name)
    assert read(confirm(look=look)).one("title").text == f"Unsubscribe from “New arrivals” · {name}"
    by_phone = read(confirm(look=look, subject=TEXTS_BY_PHONE)).one("title").text
    assert by_phone == f"Unsubscribe from all {name} marketing texts"


@pytest.mark.parametrize(
    ("contact", "href"),
    [
        ("help@example.com", "mailto:help@example.com"),
        ("a?subject=x@example.com", "mailto:a%3Fsubject%3Dx@example.com"),
        ("https://example.com/help", "https://example.com/help"),
        ("+1 202-555-0123", "tel:+12025550123"),
    ],
)
def test_a_contact_becomes_a_link(contact, href):
    link = read_html(contact_link(contact)).one("a")
    assert link.attributes["href"] == href


@pytest.mark.parametrize(
    "contact",
    ["javascript:alert(1)", "http://example.com", "data:text/html,x", "Ask in the shop", ""],
)
def test_what_is_no_contact_that_we_know_is_only_text(contact):
    shown = read_html(contact_link(contact))
    assert not list(shown.all("a"))
    assert shown.text == contact


def test_a_topic_page_names_its_topic_and_no_other_does():
    with pytest.raises(ValueError, match="topic"):
        Subject(covered="topic", channel="email", masked_address="a***@e***.com")
    with pytest.raises(ValueError, match="topic"):
        Subject(covered="brand", channel="email", masked_address="a***@e***.com", topic="News")


def test_a_page_is_small():
    assert len(render(done()).html.encode()) < 16_000
    assert LOOK.accent in render(done()).html
