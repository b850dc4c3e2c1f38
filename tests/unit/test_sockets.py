"""The sockets that are listened on."""

import socket

import pytest

from prefsvc.errors import AddressInUse
from prefsvc.processes.sockets import listening
from prefsvc.settings import Settings


def asked(**given):
    return Settings(**({"port": 0} | given))


def test_every_worker_has_one_at_the_same_port_and_connections_wait_in_each():
    with listening(asked(mail_listen_port=0), count=3) as sockets:
        assert {one.getsockname()[1] for one in sockets.http} == {sockets.port}
        assert len({one.getsockname()[1] for one in sockets.mail}) == 1
        assert (len(sockets.http), len(sockets.mail)) == (3, 3)
        with socket.create_connection(("127.0.0.1", sockets.port), timeout=10):
            pass  # though nobody has taken one yet


def test_without_a_port_no_mail_is_taken():
    with listening(asked()) as sockets:
        assert sockets.mail == ()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("others", [1, 2])
def test_a_port_that_is_taken_is_not_shared(count, others):
    with listening(asked(), count=others) as sockets:
        taken = asked(port=sockets.port)
        with pytest.raises(AddressInUse, match="PREFSVC_PORT"), listening(taken, count=count):
            pass
        taken = asked(mail_listen_port=sockets.port)
        with pytest.raises(AddressInUse, match="MAIL_LISTEN_PORT"), listening(taken, count=count):
            pass


def test_an_address_of_the_sixth_version_is_one_too():
    if not socket.has_ipv6:
        pytest.skip("this system has no IPv6")
    with listening(asked(host="::1"), count=2) as sockets:
        assert sockets.http[0].family == socket.AF_INET6
