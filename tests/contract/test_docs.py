import re

import requests
import yaml

from prefsvc.web.problems import STATUS
from tests.contract.conftest import CONTRACT

METHODS = {"get", "head", "options", "post", "put", "patch", "delete"}


def operations(document):
    return {
        (method.upper(), path): node
        for path, item in document["paths"].items()
        for method, node in item.items()
        if method in METHODS
    }


def test_the_page_has_an_anchor_for_every_operation_and_every_problem(running, document):
    reply = requests.get(f"{running.start.url}/docs", timeout=30)
    assert reply.status_code == 200
    ids = re.findall(r'\bid="([^"]+)"', reply.text)
    assert len(ids) == len(set(ids))
    assert {node["operationId"] for node in operations(document).values()} <= set(ids)
    assert {f"problem-{refusal.code}" for refusal in STATUS} <= set(ids)


def test_every_code_in_the_document_has_an_anchor_on_the_page(running, document):
    page = requests.get(f"{running.start.url}/docs", timeout=30).text
    codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    missing = [code for code in codes if f'id="problem-{code}"' not in page]
    assert not missing


def test_every_link_within_the_page_leads_somewhere(running):
    page = requests.get(f"{running.start.url}/docs", timeout=30).text
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'\bid="([^"]+)"', page))


def test_the_document_is_served_as_it_is_written_and_as_json(running):
    as_written = requests.get(f"{running.start.url}/openapi.yaml", timeout=30)
    as_json = requests.get(f"{running.start.url}/openapi.json", timeout=30)
    assert as_written.content.decode() == CONTRACT.read_text("utf-8")
    assert as_json.json() == yaml.safe_load(CONTRACT.read_text("utf-8"))
