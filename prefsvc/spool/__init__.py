"""The spool: opt-outs that came while the database did not answer, on this machine's disk.

`items` says what can be kept and how it is written (pure), `store` keeps it in a SQLite file,
`spool.Spool` is what the doors hold, and `replaying` gives it all back to the register, in order.
`known` is what a start needs that finds no database.
"""
