"""The process in which atheris damages mails (fuzz.py starts it); its arguments are libFuzzer's."""

import sys

import atheris

with atheris.instrument_imports(include=["prefsvc.mail"]):
    from tests.unit.mail.attempt import attempt

if __name__ == "__main__":
    atheris.Setup(sys.argv, attempt)
    atheris.Fuzz()
