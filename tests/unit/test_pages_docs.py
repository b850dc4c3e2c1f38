import shlex
from pathlib import Path

import pytest
import yaml

from prefsvc import errors
from prefsvc.web.docs_markdown import Markdown
from prefsvc.web.docs_page import Problem, problems_of, render_docs
from prefsvc.web.docs_schema import Schemas
from prefsvc.web.html_page import page_response
from tests.support.html_reading import read_html

SAMPLE = Path(__file__).parents[1] / "support" / "openapi_sample.yaml"
CONTRACT = Path(__file__).parents[2] / "openapi.yaml"
PROBLEMS = [
    Problem("invalid_address", 422, "Give an address; see `prefsvc brands show`."),
    Problem("too_busy", 503, "Try again."),
]


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(SAMPLE.read_text("utf-8"))


@pytest.fixture(scope="module")
def page(document):
    return read_html(render_docs(document, PROBLEMS).html)


def by_id(page, name):
    [found] = [one for one in page.all() if one.attributes.get("id") == name]
    return found


def rows(element):
    """Each row of a table: its first column's words, and its second's."""
    for table in element.all("dl"):
        for row in table.all("div"):
            yield row.one("dt").text, row.one("dd").text


def row(element, name):
    return next((dt, dd) for dt, dd in rows(element) if dt.split(" ")[0] == name)


def test_every_operation_and_problem_has_an_anchor_that_the_contents_lead_to(page):
    ids = [one.attributes["id"] for one in page.all() if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    targets = {one.attributes["href"] for one in page.all("a") if one.attributes["href"][0] == "#"}
    assert {"#postOptOut", "#getFeed", "#get-livez", "#problem-invalid_address"} <= targets
    assert {target.removeprefix("#") for target in targets} <= set(ids)


def test_operations_stand_under_their_tags_in_the_declared_order(page):
    main = page.one("main")
    assert [one.text for one in main.all("h2")][-4:] == ["Opt-outs", "Lists", "Service", "Problems"]
    titles = [one.text for one in by_id(page, "lists").all("h3")]
    assert titles == ["Read what came after a cursor"]


def test_the_page_has_no_script_and_nothing_from_elsewhere(document, page):
    assert not list(page.all("script", "img", "iframe"))
    assert not [one for one in page.all() if "src" in one.attributes or "style" in one.attributes]
    policy = page_response(render_docs(document)).headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_parameters_say_where_they_go_and_what_they_must_be(page):
    operation = by_id(page, "postOptOut")
    assert row(operation, "brand") == (
        "brand string required in path",
        "The brand's slug. matches ^[a-z0-9-]+$",
    )
    assert (
        row(operation, "Idempotency-Key")[1]
        == "Names this request 1 to 255 characters · example 7c1e"
    )
    assert row(by_id(page, "getFeed"), "limit")[1] == "1 to 10000 · default 1000"


def test_a_body_is_a_table_of_its_properties_however_it_is_composed(page):
    operation = by_id(page, "postOptOut")
    assert row(operation, "channel") == ("channel string required", "one of email, sms, post")
    assert row(operation, "topic")[0] == "topic string or null"
    assert row(operation, "source")[0] == "source string required"
    assert row(operation, "evidence.*") == ("evidence.* string", "at most 4096 characters")


def test_the_forms_of_an_answer_stand_apart(page):
    found = [dt for dt, _ in rows(by_id(page, "getFeed"))]
    assert found.index("A change") < found.index("address_sha256 string required")
    assert (
        found.index("act string")
        < found.index("The end of the page")
        < found.index("cursor string")
    )


def test_a_schema_that_holds_itself_ends(page):
    found = [dt for dt, _ in rows(by_id(page, "getFeed")) if dt.startswith("tree")]
    assert found == ["tree object", "tree.children array of object"]


def test_answers_are_shown_with_status_headers_and_examples(page):
    operation = by_id(page, "postOptOut")
    shown = operation.text
    assert "201 Created" in shown
    assert "422" in shown
    assert "default" in shown
    assert row(operation, "Location")[1] == "Where it can be read."
    assert '"opt_out_id": "0199f3a2' in shown
    assert '"code": "invalid_address"' in shown


def test_an_operation_says_which_key_it_needs(page):
    assert "Key: an API key (operator)" in by_id(page, "postOptOut").text
    assert "Key: an API key (sender, operator)" in by_id(page, "getFeed").text
    assert "Key: none" in by_id(page, "get-livez").text
    assert "Deprecated" in by_id(page, "get-livez").text


def test_the_command_can_be_copied_into_a_shell(page):
    call = next(
        one for one in by_id(page, "postOptOut").all("figure") if one.text.startswith("Call")
    )
    words = shlex.split(call.one("code").children[0])
    assert words[:4] == [
        "curl", "-X", "POST", "https://prefsvc.example.com/v1/brands/{brand}/opt-outs"
    ]  # fmt: skip
    assert "Authorization: Bearer $PREFSVC_KEY" in words
    assert "Content-Type: application/json" in words
    body = words[words.index("--data-binary") + 1]
    assert yaml.safe_load(body)["evidence"] == {"note": "Ann's letter of 3 March"}
    assert "?after={after}" in by_id(page, "getFeed").text


def test_a_form_is_sent_as_a_form(page):
    assert "--data-binary 'List-Unsubscribe=One-Click&note=a+b'" in by_id(page, "postLink").text


def test_problems_are_listed_by_status_and_named_in_texts_as_links(page):
    listed = [one for one in by_id(page, "problems").all("div") if "id" in one.attributes]
    assert [one.attributes["id"] for one in listed] == [
        "problem-invalid_address",
        "problem-too_busy",
    ]
    answer = by_id(page, "postOptOut")
    assert "#problem-invalid_address" in {one.attributes["href"] for one in answer.all("a")}


def test_refusals_become_problems_with_their_own_sentences():
    [problem] = problems_of({errors.InvalidToken: 404})
    assert problem == Problem("invalid_token", 404, str(errors.InvalidToken()))


def test_what_the_document_says_is_text_and_never_markup(page):
    assert not list(page.all("b"))
    assert "<b>never</b>" in by_id(page, "postOptOut").text


def test_a_reference_beyond_the_document_is_refused():
    with pytest.raises(ValueError, match="outside"):
        Schemas({}).resolve({"$ref": "other.yaml#/x"})
    with pytest.raises(ValueError, match="itself"):
        Schemas({"a": {"$ref": "#/a"}}).resolve({"$ref": "#/a"})


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (
            {"type": "array", "items": {"type": "string", "format": "uuid"}},
            "array of string (uuid)",
        ),
        ({"const": "marketing"}, "marketing"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"enum": [1, "a"]}, "value"),
        ({"properties": {"a": {}}}, "object"),
        ({"type": ["string", "null"], "format": "date-time"}, "string (date-time) or null"),
        ({}, "any value"),
    ],
)
def test_a_type_is_said_in_words(schema, kind):
    assert Schemas({}).type_of(schema) == kind


@pytest.mark.parametrize(
    ("schema", "limits"),
    [
        ({"minItems": 1}, ("at least 1 items",)),
        ({"minLength": 64, "maxLength": 64}, ("64 characters",)),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, ("one of a, b",)),
        ({"default": False}, ("default false",)),
        ({"enum": list(range(40))}, ("one of " + ", ".join(map(str, range(24))) + " …",)),
    ],
)
def test_limits_are_said_in_words(schema, limits):
    assert Schemas({}).limits(schema) == limits


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One\ntwo\n\nthree", "<p>One two</p>\n<p>three</p>"),
        ("- a\n- b\n  more\n1. c", "<ul><li>a</li><li>b more</li></ul>\n<ol><li>c</li></ol>"),
        ("Text\n- a", "<p>Text</p>\n<ul><li>a</li></ul>"),
        ("## Keys\nText", "<h4>Keys</h4>\n<p>Text</p>"),
        (
            "```sh\nrm *a* <x>\n\nb\n```\nText",
            "<pre><code>rm *a* &lt;x&gt;\n\nb</code></pre>\n<p>Text</p>",
        ),
        ("**b** *e* `*c*`", "<p><strong>b</strong> <em>e</em> <code>*c*</code></p>"),
        ("2 * 3 * 4", "<p>2 * 3 * 4</p>"),
        (
            "[a](https://example.com/?x=1&y)",
            '<p><a href="https://example.com/?x=1&amp;y">a</a></p>',
        ),
        ("[a](javascript:x)", "<p>[a](javascript:x)</p>"),
        ('[a](/x"onload)', '<p><a href="/x&#34;onload">a</a></p>'),
        ("`known`", '<p><a href="#k"><code>known</code></a></p>'),
        ("```\nnever closed", "<pre><code>never closed</code></pre>"),
        ("", ""),
        (None, ""),
    ],
)
def test_markdown_is_read_as_far_as_it_is_used(text, html):
    assert Markdown({"known": "#k"}).html(text) == html


def test_the_contract_of_this_service_is_readable():
    if not CONTRACT.stat().st_size:
        pytest.skip("openapi.yaml has nothing in it yet")
    document = yaml.safe_load(CONTRACT.read_text("utf-8"))
    shown = read_html(render_docs(document, PROBLEMS).html).one("main")
    operations = [
        one
        for item in document["paths"].values()
        for method, one in item.items()
        if method in {"get", "post", "put", "patch", "delete", "options", "head"}
    ]
    assert len(list(shown.all("article"))) == len(operations)
