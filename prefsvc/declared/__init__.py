"""Reading what is declared in TOML, brands and rules, and saying everything that is wrong in it."""

from prefsvc.declared.file import read_file
from prefsvc.declared.table import Path, Problem, Table, allowed, filled

__all__ = ["Path", "Problem", "Table", "allowed", "filled", "read_file"]
