from datetime import UTC, datetime, timedelta

import pytest

from tests.support.cast import ANN, BOB
from tests.support.register import act

BRAND = "ducallier"
SINCE = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


@pytest.fixture
def claims(work, brands):
    """Two requests by mail that nobody vouches for, of two origins."""

    async def piece(service):
        await service.record(
            [
                act(
                    service,
                    address,
                    brand=BRAND,
                    source="mail_reply_unproven",
                    evidence={"origin_host": origin},
                    idempotency_key=f"mail:{address}",
                )
                for address, origin in ((ANN, "203.0.113.9"), (BOB, "203.0.113.1"))
            ]
        )

    work(piece)


def standing(work):
    async def piece(service):
        return await service.database.pool.fetchval("select count(*) from suppression where active")

    return work(piece)


@pytest.mark.usefixtures("claims")
def test_one_command_takes_back_what_an_origin_sent(prefsvc, work):
    words = ["mail", "forged", "--since", SINCE, "--origin", "203.0.113.9", "--by", "Olive"]
    tried = prefsvc(*words, "--dry-run")
    assert (tried.code, tried.err) == (0, "")
    assert "1 suppressions would be lifted" in tried.out
    assert standing(work) == 2
    done = prefsvc(*words)
    assert done.out == "ducallier: 1 requests by mail; 1 suppressions lifted, 0 stay as they are\n"
    assert standing(work) == 1
    assert "0 suppressions lifted, 1 stay" in prefsvc(*words).out
    assert ANN not in done.out


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--until", "2099-01-01"], 1, "no time that has passed"),
        (["--until", "2001-01-01"], 1, "no time that has passed"),
        (["--since", "yesterday"], 2, "write it as in"),
        (["--brand", "nobody"], 1, "brand"),
    ],
)
@pytest.mark.usefixtures("brands")
def test_a_time_or_brand_that_is_none_is_refused(prefsvc, more, code, said):
    ran = prefsvc("mail", "forged", "--since", SINCE, *more)
    assert (ran.code, said in ran.err) == (code, True)


@pytest.mark.usefixtures("brands")
def test_where_there_is_none_it_says_so(prefsvc):
    ran = prefsvc("mail", "forged", "--since", SINCE, "--origin", "198.51.100.1")
    assert ran.out == "There is no such mail.\n"
