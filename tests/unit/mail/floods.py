"""Messages that are one thing again and again, of any length: no reader may grow slow of them."""

from collections.abc import Callable

PLAIN = b"From: ann@example.org\n\n"
HTML = b"Content-Type: text/html\n\n"
MULTIPART = b"Content-Type: multipart/mixed; boundary=b\n\n"
REPORT = b"From: mailer-daemon@example.net\nReturn-Path: <>\n"
STATUS = (
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    b"--b\nContent-Type: message/delivery-status\n\n"
)
FEEDBACK = (
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
    b"--b\nContent-Type: message/feedback-report\n\n"
)


def again(piece: bytes, head: bytes = PLAIN) -> Callable[[int], bytes]:
    """The piece so often that the message has this many octets."""
    return lambda octets: head + piece * ((octets - len(head)) // len(piece))


def counted(piece: str, head: bytes = PLAIN, tail: bytes = b"") -> Callable[[int], bytes]:
    """The piece with another number each time, as many as have room."""

    def made(octets: int) -> bytes:
        count = octets // (len(piece) + 4)
        return head + "".join(piece.format(n) for n in range(count)).encode() + tail

    return made


def ladder(mark: bytes) -> Callable[[int], bytes]:
    """Lines that are quoted once more each, and begin again when they are long."""

    def made(octets: int) -> bytes:
        rungs = b"".join(mark * depth + b" x\n" for depth in range(1, 500))
        return PLAIN + rungs * (1 + octets // len(rungs))

    return made


def nested(octets: int) -> bytes:
    """Multiparts in multiparts, each with a boundary of its own."""
    part = "Content-Type: multipart/mixed; boundary=b{0}\n\n--b{0}\n"
    return counted(part, b"", b"\nunsubscribe")(octets)


def enclosed(octets: int) -> bytes:
    """Messages in messages."""
    return again(b"Content-Type: message/rfc822\n\n", b"")(octets)


FLOODS: dict[str, Callable[[int], bytes]] = {
    "nested multiparts": nested,
    "enclosed messages": enclosed,
    "empty parts": again(b"--b\n", MULTIPART),
    "parts": again(b"--b\n\nstop\n", MULTIPART),
    "parts with headers": again(b"--b\nContent-Type: text/plain\n\nstop\n", MULTIPART),
    "nearly boundaries": again(b"--b x\n", MULTIPART),
    "boundaries of nobody": again(b"--other\nContent-\n", MULTIPART),
    "recipients": counted("u{}@example.com, ", b"To: ", b"\n\nstop"),
    "fields of recipients": counted("Cc: u{}@example.com\n", b"", b"\n\nstop"),
    "open brackets": again(b"<", b"To: "),
    "closed brackets": again(b"<>", b"To: "),
    "open comments": again(b"(\\", b"To: "),
    "open strings": again(b'"\\', b"From: "),
    "groups": again(b"x:", b"To: "),
    "addresses without end": again(b"a@b ", b"From: "),
    "at signs": again(b"a@"),
    "dots in a domain": again(b"a.", PLAIN + b"x@"),
    "fields": again(b"X: y\n", b""),
    "half fields": again(b"X\n", b"From: ann@example.org\n"),
    "folds": again(b"\n b", b"Subject: a"),
    "folded tabs": again(b"\r\n\t", b"Subject: a"),
    "encoded words": again(b"=?utf-8?q?a?= ", b"Subject: "),
    "half encoded words": again(b"=?a", b"Subject: "),
    "encoded words of many charsets": again(b"=?koi8-r?b?8fLz?= =?utf-8?q?a?= ", b"Subject: "),
    "answers of answers": again(b"Re: ", b"Subject: "),
    "long subject": again(b"unsubscribe please ", b"Subject: "),
    "absence": again(b"is out of office ", b"Subject: ann "),
    "parameters": again(b"; a=b", b"Content-Type: multipart/mixed"),
    "open parameter": again(b'"', b"Content-Type: multipart/mixed; boundary="),
    "escapes in a parameter": again(b"\\x", b'Content-Type: multipart/mixed; boundary="'),
    "comments": again(b"(", b"Auto-Submitted: "),
    "closed comments": again(b"()", b"Auto-Submitted: "),
    "list headers": again(b"(<", b"List-Unsubscribe: "),
    "links in a list header": again(b"<https://x.example/u/a>, ", b"List-Unsubscribe: "),
    "tokens in recipients": again(b"u+abcdefghijklmnopqrstuvwxyz23456@x.example, ", b"To: "),
    "quoted lines": again(b"> x\n"),
    "a ladder of quotations": ladder(b">"),
    "a ladder of spaced quotations": ladder(b"> "),
    "labels": again(b"From: x\n"),
    "lines without words": again(b"!\n"),
    "names alone": again(b"Ann <ann@example.org>\n"),
    "attributions": again(b"On 2024-05-06 at 10:00\n"),
    "attributions in dashes": again(b"---- On 2024-05-06 at 10:00 a@b.example wrote ----\n"),
    "colons": again(b":"),
    "one word": again(b"unsubscribe "),
    "half a list": again(b"newsletter abmelden from the "),
    "a request again and again": again(
        b"please remove my email address details from your mailing "
    ),
    "half requests": again(b"remove my email name address and "),
    "negations": again(b"do not want to "),
    "long lines": again(b"x" * 5000 + b"\n"),
    "spaces": again(b" "),
    "empty lines": again(b"  \n"),
    "underscores": again(b"_"),
    "dashes": again(b"-"),
    "carriage returns": again(b"\r"),
    "zero octets": again(b"\0", b""),
    "octets that are no text": again(b"\xff", b""),
    "half letters": again(b"\xe2\x80", b""),
    "base64": again(b"QUFB", b"Content-Transfer-Encoding: base64\n\n"),
    "base64 that is none": again(b"*=A", b"Content-Transfer-Encoding: base64\n\n"),
    "quoted-printable": again(b"=41", b"Content-Transfer-Encoding: quoted-printable\n\n"),
    "quoted-printable that is none": again(
        b"=\n=Z=", b"Content-Transfer-Encoding: quoted-printable\n\n"
    ),
    "surrogates": again(b"+2AA-", b"Content-Type: text/plain; charset=utf-7\n\n"),
    "punycode": again(b"a-", b"Content-Type: text/plain; charset=punycode\n\n"),
    "iso-2022": again(b"\x1b$B", b"Content-Type: text/plain; charset=iso-2022-jp\n\n"),
    "open tags": again(b"<a ", HTML),
    "open attributes": again(b"<a b='", HTML),
    "many attributes": again(b" b='c'", HTML + b"<a"),
    "open comments in html": again(b"<!--", HTML),
    "open declarations": again(b"<![", HTML),
    "open elements": again(b"<div class=gmail_quote>x", HTML),
    "deep elements": again(b"<div><b><i>", HTML),
    "closed elements": again(b"</p>", HTML),
    "elements closed in disorder": again(b"<b><i></b></i>", HTML),
    "entities": again(b"&amp;lt;", HTML),
    "entities without end": again(b"&#", HTML),
    "scripts": again(b"<script>", HTML),
    "scripts that end": again(b"<script></scrip", HTML),
    "quotations in html": again(b"<blockquote>x", HTML),
    "links": again(b"<a href='https://x.example'>x</a>", HTML),
    "recipients of a report": again(b"Final-Recipient: rfc822; u@b.example\n\n", REPORT + STATUS),
    "diagnostics": again(b" user not", REPORT + STATUS + b"Diagnostic-Code: smtp; 550"),
    "addresses in a report": counted("u{}@b.example not\n", REPORT + b"\n"),
    "half refusals": again(b"user the not ", REPORT + b"\n"),
    "commands in a report": again(b">>> DATA\n<<< 5", REPORT + b"\n"),
    "accepted commands": again(b">>> RCPT\n<<< 250\n", REPORT + b"\n"),
    "arrows in a report": again(b"x --> rcpt <-- 250 ", REPORT + b"\n"),
    "headings in a report": again(b"\n-- original message follows ", REPORT + b"\n"),
    "feedback types": again(b"Feedback-Type: abuse\n", FEEDBACK),
    "json": again(b'{"a":', b"Content-Type: text/plain\n\n"),
}
