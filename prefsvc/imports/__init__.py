"""Imports: the opt-outs that a company has already, from a file of its own or of another program.

`lines`, `packed`, `records`, `columns`, `words`, `moments`, `rows` and `reading` are pure: octets
in, rows and refusals out, within a bound of memory. `register` keeps how far an import has come,
and `taking` records what was read. An import never lifts anything, whatever the file says.
"""
