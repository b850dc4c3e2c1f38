import re

import jsonschema_rs
import schemathesis

from prefsvc.web.problems import FAULTS, STATUS
from prefsvc.web.routes import SLASHED
from tests.contract.test_docs import operations

TAGS = [
    "Links",
    "Opt-outs",
    "Imports",
    "Mails",
    "Lists",
    "Senders",
    "Sends",
    "Cases",
    "Reviews",
    "Notices",
    "Brands",
    "Ledger",
    "Twilio",
    "Telnyx",
    "Mail providers",
    "Service",
]
STATUS_OF_CODE = {kind.code: status for kind, status in STATUS.items()} | {
    code: status for status, code, _ in FAULTS
}
# Of no operation: what was asked for is none, or the failure is ours. The introduction has them.
OF_NO_OPERATION = {"bad_request", "fault", "method_not_allowed", "not_found"}
# What every call with a key, and every call with a body that must be read, may be answered.
BY_KEY = {"invalid_api_key", "database_away"}
BY_BODY = {"body_too_large", "body_too_slow", "unreadable_body"}
AS_TEXT = {"application/x-ndjson", "text/xml", "text/csv"}


def nodes(node, path=()):
    yield path, node
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in items:
            yield from nodes(child, (*path, key))


def references(document):
    return {one["$ref"] for _, one in nodes(document) if isinstance(one, dict) and "$ref" in one}


def at(document, pointer):
    node = document
    for part in pointer.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def resolved(document, node):
    return at(document, node["$ref"]) | node if "$ref" in node else node


def answers(document, operation):
    responses = operation["responses"].items()
    return {int(status): resolved(document, node) for status, node in responses}


def codes_told(text):
    return set(re.findall(r"`([a-z_]+)`", text)) & set(STATUS_OF_CODE)


def problems_of(document, operation):
    """What an operation says that it may be refused with: code and status."""
    return {
        (code, status)
        for status, answer in answers(document, operation).items()
        for code in codes_told(answer["description"])
    }


def calls(document):
    """Each operation with its path and the codes that it may be refused with."""
    for (_, path), operation in operations(document).items():
        yield path, operation, {code for code, _ in problems_of(document, operation)}


def test_the_routes_are_those_of_the_document(running, document):
    slashed = {(route.method, route.path) for route in SLASHED}
    routed = {(method, path) for method, path in running.start.routes if method != "HEAD"}
    assert routed - slashed == set(operations(document))


def test_what_answers_get_answers_head(running):
    def paths(wanted):
        return {path for method, path in running.start.routes if method == wanted}

    assert paths("HEAD") == paths("GET")


def test_only_links_have_a_twin_with_a_slash(document):
    twins = {(route.method, route.path.removesuffix("/")) for route in SLASHED}
    assert twins == {call for call in operations(document) if call[1] == "/u/{token}"}


def test_the_document_is_valid(document):
    schemathesis.openapi.from_dict(document).validate()


def test_operations_have_unique_names_one_declared_tag_and_words(document):
    every = list(operations(document).values())
    names = [one["operationId"] for one in every]
    assert len(names) == len(set(names))
    assert [tag["name"] for tag in document["tags"]] == TAGS
    assert {tuple(one["tags"]) for one in every} == {(name,) for name in TAGS}
    assert all(one["summary"] and one["description"].strip().endswith(".") for one in every)


def test_every_reference_leads_somewhere(document):
    assert references(document)
    for reference in references(document):
        assert at(document, reference)


def test_nothing_is_declared_and_left_unused(document):
    declared = {
        f"#/components/{kind}/{name}"
        for kind, found in document["components"].items()
        if kind != "securitySchemes"
        for name in found
    }
    assert declared <= references(document)


def test_the_document_names_exactly_the_problems_there_are(document):
    enum = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    assert enum == sorted(STATUS_OF_CODE)


def test_every_problem_is_told_where_it_happens_and_under_its_status(document):
    told = set().union(*(problems_of(document, one) for one in operations(document).values()))
    assert told == {(code, STATUS_OF_CODE[code]) for code in set(STATUS_OF_CODE) - OF_NO_OPERATION}
    assert codes_told(document["info"]["description"]) >= OF_NO_OPERATION


def roles_of(requirement):
    assert len(requirement) == 1
    return next(iter(requirement.values()))


def test_whoever_shows_a_key_may_be_refused_for_it(document):
    for path, operation, codes in calls(document):
        allowed = {role for one in operation.get("security", []) for role in roles_of(one)}
        assert allowed <= {"operator", "sender"}, path
        assert bool(allowed) == path.startswith("/v1/"), path
        is_of_brand = "{brand}" in path
        assert (codes >= BY_KEY) == bool(allowed), path
        assert ("not_allowed" in codes) == is_of_brand, path
        # A sender's key has one brand, so only an operator of all can name an unknown one.
        assert ("unknown_brand" in codes) == (is_of_brand and "operator" in allowed), path


def test_a_body_that_must_be_read_may_be_refused(document):
    for path, operation, codes in calls(document):
        body = resolved(document, operation.get("requestBody", {}))
        assert (codes >= BY_BODY) == bool(body.get("required")), path
        of_a_kind = {"application/json", "message/rfc822"} & set(body.get("content", {}))
        assert ("invalid_body" in codes) == bool(of_a_kind), path


def test_problems_are_problems_and_patience_is_measured(document):
    for path, operation, _ in calls(document):
        wrong = "text/html" if path.startswith("/u/") else "application/problem+json"
        for status, answer in answers(document, operation).items():
            if status >= 400 and path != "/readyz":
                assert set(answer["content"]) == {wrong}, path
                assert ("Retry-After" in answer["headers"]) == (status in {429, 503}), path


def test_bodies_of_calls_take_no_unknown_field(document):
    for path, operation, _ in calls(document):
        if path.startswith("/hooks/") or path.endswith("/imports/{import}"):
            continue  # what is in it is another program's, and grows without our knowing
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if media_type not in {"application/x-www-form-urlencoded", "message/rfc822"}:
                assert resolved(document, content["schema"])["additionalProperties"] is False, path


def test_examples_are_what_they_are_examples_of(document):
    found = [one for path, node in nodes(document) for one in examples(path, node)]
    assert len(found) > 20
    for schema, value in found:
        whole = {**schema, "components": document["components"]}
        jsonschema_rs.validator_for(whole, validate_formats=True).validate(value)


def examples(path, node):
    if path[:2] == ("components", "schemas") and len(path) == 3:
        yield from ((node, value) for value in node.get("examples", []))
    elif isinstance(node, dict) and "schema" in node and path[-1] not in AS_TEXT:
        given = [{"value": node["example"]}] if "example" in node else []
        for one in [*given, *node.get("examples", {}).values()]:
            yield node["schema"], one["value"]


def test_people_in_examples_are_nobody(document):
    text = str(document)
    assert set(re.findall(r"@([\w.-]+\w)", text)) <= {"example.org", "Example.ORG"}
    assert set(re.findall(r"\+\d{7,}", text)) <= {"+12025550100", "+12025550123"}
