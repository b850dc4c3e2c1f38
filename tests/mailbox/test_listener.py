"""Mail handed over by SMTP: what it asks for is durable when 250 is said."""

import asyncio
import smtplib
import socket

import pytest

from prefsvc.mail import mail as mail_module
from tests.mailbox.conftest import NEWS, Office, mail
from tests.support.cast import ANN, BOB
from tests.support.taking_mail import listening


async def count(service, table):
    return await service.database.pool.fetchval(f"select count(*) from {table}")


async def short_token(client, keys, **more):
    body = {"channel": "email", "address": ANN, "form": "short", **more}
    made = await client.post("/v1/brands/acme/links", headers=keys.mailer, json=body)
    return (await made.text()).partition("/u/")[2].partition('"')[0]


async def test_a_reply_that_asks_for_it_opts_out(office, may_mail):
    await office.sends(mail("please take me off your list\r\n> Reply to unsubscribe"))
    assert not await may_mail()
    assert await may_mail(message_class="transactional")


@pytest.mark.parametrize(
    "raw",
    [
        mail("Great, thanks!\r\n\r\n> To unsubscribe, press here"),
        mail("I am away. Reply STOP to unsubscribe.", Auto_Submitted="auto-replied"),
        mail("Where is my order?"),
        b"",
        b"\x00\xff\r\n",
    ],
)
async def test_other_mail_changes_nothing(office, may_mail, raw):
    await office.sends(raw)
    assert await may_mail()


async def test_an_empty_mail_to_a_token_address_opts_out_whoever_sends_it(
    office, may_mail, client, keys
):
    address = f"u+{(await short_token(client, keys)).upper()}@anything.example.net"
    raw = mail("", subject="", from_=BOB, to=address, Auto_Submitted="auto-generated")
    await office.sends(raw, to=address, from_=BOB)
    assert not await may_mail()
    assert await may_mail(BOB)


async def test_a_token_stops_only_its_topic(office, may_mail, client, keys):
    address = f"u+{await short_token(client, keys, topic='news')}@mail.acme.example.com"
    await office.sends(mail("", subject="", to=address), to=address)
    assert not await may_mail(topic="news")
    assert await may_mail(topic="offers")


async def test_the_same_mail_twice_is_one_opt_out(office, service):
    await asyncio.gather(*(office.sends(mail()) for _ in range(5)))
    assert await count(service, "preference_event") == 1


async def test_an_address_of_nobody_is_refused(office):
    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        await office.sends(mail(), to="someone@elsewhere.example.net")
    assert [code for code, _ in refused.value.recipients.values()] == [550]


async def test_a_forged_token_is_an_address_of_nobody(office, client, keys):
    token = await short_token(client, keys)
    forged = ("b" if token[0] == "a" else "a") + token[1:]
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await office.sends(mail(), to=f"u+{forged}@elsewhere.example.net")


async def test_a_bounce_says_that_nobody_is_there(office, may_mail):
    report = (
        "From: MAILER-DAEMON@mx.example.net\r\nTo: news@mail.acme.example.com\r\n"
        "Subject: Undelivered Mail\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net"
        f"\r\n\r\nFinal-Recipient: rfc822; {ANN}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
    )
    await office.sends(report.encode(), from_="")
    assert not await may_mail(message_class="transactional")


async def test_a_doubtful_reply_goes_to_the_review_queue_with_its_words(
    office, service, client, keys
):
    await office.sends(mail("who is this?? wrong person", subject="hm"))
    reply = await client.get("/v1/brands/acme/reviews", headers=keys.operator)
    [review] = (await reply.json())["reviews"]
    assert review["channel"] == "email"
    url = f"/v1/brands/acme/reviews/{review['review_id']}"
    whole = await (await client.get(url, headers=keys.operator)).json()
    assert whole["evidence"]["words"] == "who is this?? wrong person"
    assert ANN not in str(whole["evidence"])


async def test_a_fault_of_ours_is_a_4xx_and_the_retry_is_one_opt_out(office, service, may_mail):
    pool = service.database.pool
    await pool.execute("alter table prefsvc.preference_event rename to away")
    try:
        with pytest.raises(smtplib.SMTPDataError) as said:
            await office.sends(mail())
    finally:
        await pool.execute("alter table prefsvc.away rename to preference_event")
    assert said.value.smtp_code == 451
    await office.sends(mail())
    assert not await may_mail()
    assert await count(service, "preference_event") == 1


async def test_a_mail_that_is_too_large_goes_back(service):
    service.settings = service.settings.model_copy(update={"mail_bytes_max": 10_000})
    async with listening(service) as port:
        with pytest.raises(smtplib.SMTPResponseException) as said:
            await Office(port).sends(mail("x" * 20_000))
    assert said.value.smtp_code == 552


async def test_a_line_may_be_long(office, may_mail):
    await office.sends(mail("please unsubscribe me " + " " * 5000 + "thank you"))
    assert not await may_mail()


async def test_too_many_recipients_are_asked_to_come_by_themselves(service):
    service.settings = service.settings.model_copy(update={"mail_recipients_max": 2})
    async with listening(service) as port:
        to = [f"box{n}@mail.acme.example.com" for n in range(3)]
        refused = await Office(port).sends(mail(), to=to)
    assert [code for code, _ in refused.values()] == [452]


async def test_lmtp_takes_one_recipient_at_a_time(service, may_mail):
    service.settings = service.settings.model_copy(update={"mail_listen_protocol": "lmtp"})

    def talk(port):
        with smtplib.LMTP("127.0.0.1", port, timeout=30) as server:
            return server.sendmail(ANN, [NEWS, "other@mail.acme.example.com"], mail())

    async with listening(service) as port:
        refused = await asyncio.to_thread(talk, port)
    assert [code for code, _ in refused.values()] == [452]
    assert not await may_mail()


async def test_too_many_connections_are_turned_away_and_counted_out(service, may_mail):
    service.settings = service.settings.model_copy(update={"mail_connections_per_host_max": 1})
    async with listening(service) as port:
        first = await asyncio.to_thread(smtplib.SMTP, "127.0.0.1", port, timeout=30)
        with pytest.raises(smtplib.SMTPConnectError) as said:
            await asyncio.to_thread(smtplib.SMTP, "127.0.0.1", port, timeout=30)
        assert said.value.smtp_code == 421
        await asyncio.to_thread(first.quit)
        await Office(port).sends(mail())
    assert not await may_mail()


async def test_too_much_mail_in_a_minute_is_asked_to_come_later(service):
    service.settings = service.settings.model_copy(update={"mail_per_minute_max": 1})
    async with listening(service) as port:
        office = Office(port)
        await office.sends(mail())
        with pytest.raises(smtplib.SMTPDataError) as said:
            await office.sends(mail())
    assert said.value.smtp_code == 451


async def test_garbage_harms_nobody(office, may_mail):
    def shout():
        with socket.create_connection(("127.0.0.1", office.port), timeout=30) as line:
            line.sendall(b"\x00\xff\xfe GET / HTTP/1.1\r\nMAIL\r\nRCPT TO:<<\r\n" * 50)
            line.shutdown(socket.SHUT_WR)
            while line.recv(65536):
                pass

    await asyncio.to_thread(shout)
    await office.sends(mail())
    assert not await may_mail()


def report_of(*gone):
    """Return a standard report that nobody is at any of these addresses."""
    groups = "".join(
        f"\r\nFinal-Recipient: rfc822; {one}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
        for one in gone
    )
    return (
        "From: MAILER-DAEMON@mx.example.net\r\nTo: news@mail.acme.example.com\r\n"
        "Subject: Undelivered Mail\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nIt failed.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.net"
        f"\r\n{groups}\r\n--b--\r\n"
    ).encode()


async def test_a_bounce_counts_for_everybody_whom_it_names(office, service):
    # More of them than there are buckets: some share one.
    await office.sends(report_of(*(f"gone{n}@example.org" for n in range(70))), from_="")
    assert await count(service, "suppression") == 70


async def test_a_mail_to_the_tokens_of_two_topics_stops_both(office, may_mail, client, keys):
    tokens = [await short_token(client, keys, topic=topic) for topic in ("news", "offers")]
    to = [f"u+{token}@mail.acme.example.com" for token in tokens]
    await office.sends(mail("", subject="", to=NEWS), to=to)
    assert not await may_mail(topic="news")
    assert not await may_mail(topic="offers")


async def test_a_mail_is_taken_apart_once_however_many_recipients_it_has(office, monkeypatch):
    taken_apart = []
    parse = mail_module.parse
    monkeypatch.setattr(mail_module, "parse", lambda raw: taken_apart.append(raw) or parse(raw))
    await office.sends(mail(), to=[NEWS, "a@mail.acme.example.com", "b@mail.acme.example.com"])
    assert len(taken_apart) == 1


async def test_a_retry_that_came_another_way_is_the_same_mail(office, service):
    await office.sends(b"Received: from a.example.net; Mon, 2 Mar 2026 09:00:01 +0000\r\n" + mail())
    await office.sends(b"Received: from b.example.net; Mon, 2 Mar 2026 09:05:01 +0000\r\n" + mail())
    assert await count(service, "preference_event") == 1


async def test_another_mail_with_the_same_id_is_another_opt_out(office, service):
    await office.sends(mail())
    await office.sends(mail("I said: please remove me from your list"))
    assert await count(service, "preference_event") == 2


async def test_what_has_no_sender_opts_nobody_out(office, may_mail, client, keys):
    """A bounce of an old kind, or a vacation reply, says so in its envelope alone (E-31)."""
    address = f"u+{await short_token(client, keys)}@mail.acme.example.com"
    await office.sends(mail("I am away.", subject="Away", to=address), to=address, from_="")
    await office.sends(mail("Write STOP to unsubscribe me"), from_="")
    assert await may_mail()


async def talk(port, *said):
    """Say these in one conversation, each once the one before was answered; return the answers."""

    def conversation():
        answers = []
        with socket.create_connection(("127.0.0.1", port), timeout=30) as line:
            file = line.makefile("rwb")
            file.readline()
            for one in said:
                file.write(one)
                file.flush()
                answer = file.readline()
                while answer[3:4] == b"-":
                    answer = file.readline()
                answers.append(int(answer[:3]))
        return answers

    return await asyncio.to_thread(conversation)


FROM, TO = b"MAIL FROM:<ann@example.org>\r\n", f"RCPT TO:<{NEWS}>\r\n".encode()


async def test_after_a_fault_of_ours_the_next_mail_of_the_conversation_is_taken(
    office, service, may_mail
):
    whole = mail() + b".\r\n"
    pool = service.database.pool
    await pool.execute("alter table prefsvc.preference_event rename to away")
    try:
        said = await talk(
            office.port, b"EHLO x\r\n", FROM, TO, b"DATA\r\n", whole, FROM, TO, b"DATA\r\n", whole
        )
    finally:
        await pool.execute("alter table prefsvc.away rename to preference_event")
    assert said == [250, 250, 250, 354, 451, 250, 250, 354, 451]


async def test_a_line_without_an_end_is_no_matter_and_what_is_too_large_is_not_kept(
    office, service, may_mail
):
    service.settings = service.settings.model_copy(update={"mail_bytes_max": 2 << 20})
    small = mail("please unsubscribe me " + "x" * (1 << 20))
    large = mail("y" * (3 << 20))
    said = await talk(
        office.port,
        *(b"EHLO x\r\n", FROM, TO, b"DATA\r\n", large + b".\r\n"),
        *(FROM, TO, b"DATA\r\n", small + b".\r\n", b"QUIT\r\n"),
    )
    assert said == [250, 250, 250, 354, 552, 250, 250, 354, 250, 221]
    assert not await may_mail()


async def test_what_is_sent_right_behind_a_mail_is_answered(office, may_mail):
    pipelined = mail("stop\r\n..") + b".\r\nMAIL FROM:<>\r\nRSET\r\nQUIT\r\n"
    said = await talk(office.port, b"EHLO x\r\n", FROM, TO, b"DATA\r\n", pipelined, b"", b"", b"")
    assert said == [250, 250, 250, 354, 250, 250, 250, 221]
    assert not await may_mail()


async def test_a_mail_that_breaks_off_is_no_mail(office, service):
    def shout():
        with socket.create_connection(("127.0.0.1", office.port), timeout=30) as line:
            line.sendall(b"EHLO x\r\n" + FROM + TO + b"DATA\r\n" + mail("stop"))
            line.shutdown(socket.SHUT_WR)
            while line.recv(65536):
                pass

    await asyncio.to_thread(shout)
    assert await count(service, "preference_event") == 0


async def test_stopping_ends_what_is_idle_and_answers_what_is_being_taken(service, may_mail):
    def hello(port):
        line = socket.create_connection(("127.0.0.1", port), timeout=30)
        line.sendall(b"EHLO x\r\n" + FROM + TO + b"DATA\r\n")
        said = b""
        while b"354" not in said:
            said += line.recv(65536)
        return line

    def rest(line):
        line.sendall(mail("please unsubscribe me") + b".\r\n")
        with line, line.makefile("rb") as answers:
            return answers.read()

    async with asyncio.timeout(20):
        async with listening(service) as port:
            idle = await asyncio.to_thread(smtplib.SMTP, "127.0.0.1", port, timeout=30)
            line = await asyncio.to_thread(hello, port)
            answering = asyncio.create_task(asyncio.to_thread(rest, line))
        answer = await answering
    assert answer.startswith(b"250")
    assert b"421" in answer
    assert (await asyncio.to_thread(idle.noop))[0] == 421
    idle.close()
    assert not await may_mail()
