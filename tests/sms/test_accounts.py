"""Several Twilio accounts, and tokens that are being rotated (RULES S-10)."""

import pytest

from tests.sms.twilio_client import signed, sms
from tests.support.cast import ACMES_NUMBER, ANNS_PHONE, ORIGIN
from tests.support.lists import check

HOOK = "/hooks/twilio/messages"
ONE, OTHER, NEITHER = ("AC" + digit * 32 for digit in "123")
OLD, NEW, OTHERS, ANYBODYS = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)


@pytest.fixture
def settings(settings):
    tokens = f"{ONE}:{OLD}, {ONE}:{NEW}, {OTHER}:{OTHERS}, {ANYBODYS}"
    changed = {"twilio_auth_tokens": tokens}
    return type(settings).model_validate(settings.model_dump(exclude_unset=True) | changed)


@pytest.mark.parametrize(
    ("account", "token", "status"),
    [
        (ONE, OLD, 200),
        (ONE, NEW, 200),
        (OTHER, OTHERS, 200),
        (ONE, OTHERS, 403),
        (OTHER, OLD, 403),
        (OTHER, NEW, 403),
        (NEITHER, OLD, 403),
        (NEITHER, OTHERS, 403),
        (None, OLD, 403),
        ("", NEW, 403),
        # A token without an account is for all of them.
        (ONE, ANYBODYS, 200),
        (NEITHER, ANYBODYS, 200),
        (None, ANYBODYS, 200),
    ],
)
async def test_a_token_signs_for_its_own_account_and_no_other(client, keys, account, token, status):
    form = sms("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER, AccountSid=account)
    headers = signed(ORIGIN + HOOK, form, token)
    assert (await client.post(HOOK, data=form, headers=headers)).status == status
    [ann] = await check(client, keys.texter, ANNS_PHONE)
    assert ann["may_send"] is (status == 403)


@pytest.mark.parametrize(("token", "status"), [(OLD, 200), (OTHERS, 403)])
async def test_so_it_is_with_get(client, token, status):
    form = sms("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER, AccountSid=ONE)
    url = client.make_url(HOOK).with_query(form)
    headers = signed(ORIGIN + url.raw_path_qs, {}, token)
    assert (await client.session.get(url, headers=headers)).status == status


async def test_the_account_is_believed_only_where_it_is_signed(client, keys):
    form = sms("STOP", from_=ANNS_PHONE, to=ACMES_NUMBER, AccountSid=OTHER)
    headers = signed(ORIGIN + HOOK, form, OTHERS)
    altered = form | {"AccountSid": ONE}
    assert (await client.post(HOOK, data=altered, headers=headers)).status == 403
    doubled = [*form.items(), ("AccountSid", ONE)]
    assert (await client.post(HOOK, data=doubled, headers=headers)).status == 403
