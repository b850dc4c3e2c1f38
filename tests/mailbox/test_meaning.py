"""What each kind of mail is in the register (RULES E-34, E-40)."""

from tests.mailbox.conftest import NEWS, mail
from tests.support.cast import ANN, BOB


async def written(service):
    found = await service.database.pool.fetch(
        "select scope, reason, source from preference_event order by recorded_at"
    )
    return [tuple(row) for row in found]


async def proofs(service):
    return await service.database.pool.fetchval("select content from evidence")


async def test_a_complaint_is_one_of_the_whole_brand(office, service, may_mail):
    report = (
        f"From: feedback@arf.example.net\r\nTo: {NEWS}\r\nSubject: FW: News\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b"
        "\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nAn abuse report\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: Loop/1\r\nVersion: 1\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nTo: {ANN}\r\n\r\nNews\r\n--b--\r\n"
    )
    await office.sends(report.encode())
    assert await written(service) == [("brand", "complaint", "complaint_unproven")]
    assert not await may_mail()
    assert await may_mail(message_class="transactional")
    assert await may_mail(BOB)


async def test_whom_only_the_sender_names_is_not_proved(office, service):
    await office.sends(mail())
    assert await written(service) == [("channel", "opt_out", "mail_reply_unproven")]
    proof = await proofs(service)
    assert (proof["named_by"], proof["authenticated"]) == ("sender", False)


async def test_whom_our_own_token_names_is_proved(office, service, client, keys):
    body = {"channel": "email", "address": ANN, "form": "short"}
    made = await client.post("/v1/brands/acme/links", headers=keys.mailer, json=body)
    token = (await made.text()).partition("/u/")[2].partition('"')[0]
    address = f"u+{token}@mail.acme.example.com"
    await office.sends(mail("", subject="", to=address, from_=BOB), to=address, from_=BOB)
    assert await written(service) == [("channel", "opt_out", "mailbox")]
    proof = await proofs(service)
    assert (proof["named_by"], proof["authenticated"]) == ("token", True)
