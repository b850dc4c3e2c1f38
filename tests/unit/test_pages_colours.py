from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefsvc.web.colours import NIGHT, PAPER, contrast, readable

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#ffffff", "#ffffff", 1), ("#767676", "#ffffff", 4.54)],
)
def test_contrast_is_that_of_wcag(one, other, ratio):
    assert contrast(one, other) == pytest.approx(ratio, abs=0.005)
    assert contrast(other, one) == contrast(one, other)


@given(colours, st.sampled_from([PAPER, NIGHT]))
def test_any_accent_can_be_read_on_both_surfaces(colour, surface):
    assert contrast(readable(colour, on=surface), surface) >= 4.5


@given(colours, st.sampled_from([PAPER, NIGHT]))
def test_an_accent_that_can_be_read_is_kept(colour, surface):
    if contrast(colour, surface) >= 4.5:
        assert contrast(readable(colour, on=surface), colour) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("text", ["red", "#fff", "#12345g", "#1234567", "#123456;}body{", ""])
def test_what_is_no_colour_never_reaches_a_style_sheet(text):
    with pytest.raises(ValueError, match="colour"):
        readable(text, on=PAPER)


@pytest.mark.parametrize("sheet", ["pages.css", "docs.css"])
def test_the_style_sheets_have_the_surfaces_that_accents_are_made_for(sheet):
    css = resources.files("prefsvc.web").joinpath("static", sheet).read_text("utf-8")
    assert f"--paper: {PAPER};" in css
    assert f"--paper: {NIGHT};" in css
