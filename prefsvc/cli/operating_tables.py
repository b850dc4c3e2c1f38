"""The tables of docs/operating.md, made from the code; `make tables` writes them."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from prefsvc import metrics
from prefsvc.settings import Settings

_COMPUTED_DEFAULTS = {
    "data_dir": "`/var/lib/prefsvc` as root, otherwise `~/.local/share/prefsvc`",
}
_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting as settings.py words it."""

    name: str
    group: str
    sentence: str


def knobs() -> Iterator[Knob]:
    """Read every setting, its sentence and the comment above its group, in the file's order."""
    source = textwrap.dedent(inspect.getsource(Settings))
    lines, group, after = source.splitlines(), "", 0
    [body] = [node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for node, following in pairwise(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            group = _comment(lines[after : node.lineno - 1]) or group
            yield Knob(node.target.id, group, _text(following))
        after = node.end_lineno or after


def settings_tables() -> str:
    """Return a table for each group of settings."""
    by_group: dict[str, list[Knob]] = {}
    for knob in knobs():
        by_group.setdefault(knob.group, []).append(knob)
    return "\n\n".join(
        f"**{group}**\n\n" + _table(("setting", "default", "what it does"), map(_row, found))
        for group, found in by_group.items()
    )


def metrics_table() -> str:
    """Return the table of metrics."""
    found = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    families = [family for one in found for family in one.describe()]
    return _table(
        ("metric", "kind", "what it counts"),
        ((f"`{_exposed(one.name, one.type)}`", one.type, one.documentation) for one in families),
    )


def rewritten(document: str) -> str:
    """Return the document with its tables as the code would have them now."""
    return _replaced(_replaced(document, "settings", settings_tables()), "metrics", metrics_table())


def main() -> None:
    """Rewrite the tables of the file named on the command line."""
    file = Path(sys.argv[1])
    file.write_text(rewritten(file.read_text("utf-8")), "utf-8")


def _replaced(document: str, name: str, table: str) -> str:
    begin, end = f"<!-- {name}: written by `make tables` -->", f"<!-- end of {name} -->"
    before, found, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise LookupError(f"the document has no place for its {name}: {begin} ... {end}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def _comment(lines: list[str]) -> str:
    return " ".join(line.strip().removeprefix("# ") for line in lines if line.strip()[:1] == "#")


def _text(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
        case _:
            raise LookupError(f"line {node.lineno} of Settings should be the sentence of a setting")


def _row(knob: Knob) -> tuple[str, str, str]:
    name = f"`{Settings.model_config['env_prefix']}{knob.name.upper()}`"
    return name, _default(knob.name, Settings.model_fields[knob.name]), knob.sentence


def _default(name: str, field: FieldInfo) -> str:
    match field.default:
        case _ if name in _COMPUTED_DEFAULTS:
            return _COMPUTED_DEFAULTS[name]
        case None | "" | () | SecretStr():
            return ""
        case int(number) if name.endswith("bytes_max") and number % _KIB == 0:
            size = f"{number // _MIB} MiB" if number % _MIB == 0 else f"{number // _KIB} KiB"
            return f"`{number}` ({size})"
        case tuple(parts):
            return f"`{','.join(map(str, parts))}`"
        case value:
            return f"`{value}`"


def _exposed(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(_line(cells) for cells in (head, ("---",) * len(head), *rows))


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |".replace(" |  |", " | |")


if __name__ == "__main__":
    main()
