import tomllib

import pytest

from prefsvc.declared.lines import Lines

TEXT = '''\
# a comment = 1
slug = "acme"
names = { fr = "Acmé", de = "Acme" }
sms.replies.stop.en = "Out."

numbers = [ # "]"
  "+12025550123",
  "+12025550124", # more = 1
]
[promises.email]
window = """
[topics]
slug = 1
"""
target = \'\'\'5
days\'\'\'
[[topics]]
slug = "a"
"frequency" = "now"
[topics.names]
fr = "A"
[[topics]]
slug = "b"
[[topics.parts]]
x = 1
[[topics.parts]]
x = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("slug",), 2),
        (("names",), 3),
        (("names", "de"), 3),
        (("sms", "replies", "stop", "en"), 4),
        (("numbers",), 6),
        (("numbers", 1), 6),
        (("promises", "email"), 10),
        (("promises", "email", "window"), 11),
        (("promises", "email", "target"), 15),
        (("topics", 0), 17),
        (("topics", 0, "slug"), 18),
        (("topics", 0, "frequency"), 19),
        (("topics", 0, "names"), 20),
        (("topics", 0, "names", "fr"), 21),
        (("topics", 1), 22),
        (("topics", 1, "slug"), 23),
        (("topics", 1, "description"), 22),
        (("topics", 1, "parts", 1, "x"), 27),
    ],
)
def test_a_key_is_found_on_its_line_or_its_tables(path, line):
    tomllib.loads(TEXT)
    assert Lines(TEXT).of(path) == line


def test_a_key_that_is_not_there_has_no_line():
    assert Lines(TEXT).of(("nothing",)) is None
    assert Lines(TEXT).of(()) is None


def test_a_list_of_a_thousand_lines_is_read_without_reading_it_over_and_over():
    text = "numbers = [\n" + '  "+12025550123",\n' * 1000 + ']\nslug = "acme"\n'
    reads = []
    original = tomllib.loads

    def counted(part):
        reads.append(part)
        return original(part)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tomllib, "loads", counted)
        assert Lines(text).of(("slug",)) == 1003
    assert len(reads) < 10


def test_windows_line_ends_do_not_shift_the_lines():
    assert Lines('a = 1\r\n\r\n[b]\r\nc = """\r\nx\r\n"""\r\nd = 2\r\n').of(("b", "d")) == 7
