"""Reading one declared file: what it says, and everything that is wrong in it, line by line."""

import re
import tomllib
from collections.abc import Callable
from operator import itemgetter
from typing import Final, TypeVar

from prefsvc.declared.lines import Lines
from prefsvc.declared.table import Problem, Table

T = TypeVar("T")

_SYNTAX: Final = re.compile(r"(.*) \(at line ([0-9]+), column ([0-9]+)\)", re.DOTALL)


def read_file(text: str, file: str, read: Callable[[Table], T]) -> tuple[T | None, list[str]]:
    """Read a text, called `file` in messages: what `read` made of it, and what is wrong in it.

    Where anything is wrong, what was made of it is not to be used.
    """
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return None, [_syntax_problem(file, str(error))]
    problems: list[Problem] = []
    made = read(Table(values, problems))
    if not problems:
        return made, []
    lines = Lines(text)
    found = [(lines.of(problem.path) or 0, problem) for problem in problems]
    found.sort(key=itemgetter(0))
    return made, [located(file, line, one) for line, one in found]


def located(file: str, line: int, problem: Problem) -> str:
    """Say a problem with its place: file, line, key."""
    where = f"{file}:{line}" if line else file
    return f"{where}: {problem.key}: {problem.text}" if problem.path else f"{where}: {problem.text}"


def _syntax_problem(file: str, text: str) -> str:
    match = _SYNTAX.fullmatch(text)
    return f"{file}:{match[2]}:{match[3]}: {match[1]}" if match else f"{file}: {text}"
