"""Brand files written for a test: a table of one kind, the brand it makes, what is refused."""

import pytest

from prefsvc.brand import Brand
from prefsvc.errors import BrandRefusal
from tests.support.cast import ACME


def table(kind, **keys):
    lines = [f'{key} = "{value}"' for key, value in keys.items()]
    return "\n".join([f"[[{kind}]]", *lines, ""])


def brand(*tables, of=ACME):
    return Brand.from_toml(of + "\n".join(tables), file="acme.toml")


def problems(*tables, of=ACME):
    with pytest.raises(BrandRefusal) as refused:
        brand(*tables, of=of)
    return "\n".join(refused.value.problems)
