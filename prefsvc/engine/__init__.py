"""The embedded PostgreSQL: real, in the data directory, run as our own child.

It needs the standard library alone; docs/decisions/0001-embedded-postgresql.md says why it is so.
"""

from prefsvc.engine.supervisor import Engine, RestartPolicy, connected, running

__all__ = ["Engine", "RestartPolicy", "connected", "running"]
