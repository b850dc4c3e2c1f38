"""Ways for a database to be out of reach; each makes a URL from that of a server that works."""

import re


def _nobody_listens(_):
    return "postgresql://prefsvc:s3cret@127.0.0.1:1/prefsvc"


def _no_such_database(server_url):
    return re.sub(r"^(\w+://[^/?]*)/?[^?]*", r"\g<1>/nowhere_s3cret", server_url)


def _no_such_role(server_url):
    return re.sub(r"^(\w+://)(?:[^/?@]*@)?", r"\g<1>nobody_s3cret:s3cret@", server_url)


def _no_such_socket(_):
    return "postgresql:///prefsvc?host=/nowhere/s3cret"


def _no_url(_):
    return "mysql://prefsvc:s3cret@127.0.0.1/prefsvc"


def _nonsense(_):
    return "s3cret"


UNREACHABLE = [
    _nobody_listens, _no_such_database, _no_such_role, _no_such_socket, _no_url, _nonsense,
]  # fmt: skip
