"""Letters of our own making, as raw messages."""

ANN, BOB, NEWS = "ann@example.org", "bob@example.org", "news@mail.acme.example.com"


def letter(body="", subject="", *, to=NEWS, sender=f"Ann <{ANN}>", kind="text/plain", **fields):
    """A message by a person; a field's name is given with underscores."""
    head = {"From": sender, "To": to, "Subject": subject, **fields}
    head["Content-Type"] = f"{kind}; charset=utf-8"
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in head.items() if value]
    return ("\n".join(lines) + f"\n\n{body}").encode("utf-8", "surrogateescape")


def multipart(*parts, kind="mixed", head=""):
    """A multipart message of parts that are given with their header fields."""
    body = "".join(f"--b\n{part}\n" for part in parts)
    return f'{head}Content-Type: multipart/{kind}; boundary="b"\n\n{body}--b--\n'.encode()


def report(status="", *, text="", original="", kind="delivery-status", head="", to="bounces"):
    """A report in the standard form (RFC 3464, RFC 5965) to a mailbox of ours."""
    parts = [f"\n{text}"]
    if status:
        name = "delivery-status" if kind == "delivery-status" else "feedback-report"
        parts.append(f"Content-Type: message/{name}\n\n{status}")
    if original:
        parts.append(f"Content-Type: message/rfc822\n\n{original}")
    address = f"To: {to}@mail.acme.example.com\nFrom: MAILER-DAEMON@mx.example.net\n"
    if kind != "delivery-status":
        address = "To: loop@mail.acme.example.com\nFrom: feedback@arf.example.net\n"
    return multipart(*parts, kind=f"report; report-type={kind}", head=address + head)


def failure(diagnostic="", status="5.0.0", address=ANN, action="failed", **more):
    """A standard report that one recipient failed."""
    fields = [f"Final-Recipient: rfc822; {address}", f"Action: {action}"]
    fields += [f"Status: {status}"] if status else []
    fields += [f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else []
    return report("Reporting-MTA: dns; mx.example.net\n\n" + "\n".join(fields) + "\n", **more)
