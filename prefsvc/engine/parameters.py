"""What PostgreSQL is told on its command line, which no file in the cluster overrides."""

from collections.abc import Mapping
from pathlib import Path

from prefsvc.engine.leftovers import MARK

_DEFAULTS = {
    "shared_buffers": "128MB",
    "max_connections": "100",
    "log_checkpoints": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_FIXED = {
    # A 2xx means committed and flushed (DESIGN promise 1).
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # Only the socket; and its folder is closed to others as well.
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    # No address in a log line (promise 11). Statements, parameters and details carry them, and so
    # can the very message of an ERROR ("invalid input syntax for type integer: ..."), hence `log`,
    # which ranks above it: the server's own words, FATAL and PANIC. The caller gets the ERROR.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_duration_sample": "-1",
    "log_transaction_sample_rate": "0",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_destination": "stderr",
    "logging_collector": "off",
    "lc_messages": "C",
}


def arguments(cluster: Path, sockets: Path, parameters: Mapping[str, str]) -> list[str]:
    """Return the server's arguments; what keeps opt-outs safe and private is not negotiable."""
    asked = {name.lower(): value for name, value in parameters.items()}
    fixed = {**_FIXED, "unix_socket_directories": str(sockets)}
    settings = [f"{name}={value}" for name, value in {**_DEFAULTS, **asked, **fixed}.items()]
    return ["-D", str(cluster), *(word for one in [*settings, MARK] for word in ("-c", one))]
