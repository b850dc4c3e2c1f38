"""Accent colours that can be read: what a brand chose, moved no further than contrast asks.

Contrast is WCAG 2.2's (relative luminance): 4.5 to 1 for text, whatever a brand file says.
"""

import re
from colorsys import hls_to_rgb, rgb_to_hls
from typing import Final

PAPER: Final = "#ffffff"
NIGHT: Final = "#17181b"
"""The surfaces that accents are seen on: in the light and in the dark (static/pages.css)."""

TEXT_CONTRAST: Final = 4.5

_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_STEPS: Final = 100

_Rgb = tuple[int, int, int]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21."""
    darker, lighter = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))))
    return (lighter + 0.05) / (darker + 0.05)


def readable(colour: str, *, on: str) -> str:
    """Return the colour, made as little darker or lighter as it must be to be read on a surface."""
    end = max("#000000", "#ffffff", key=lambda extreme: contrast(extreme, on))
    nearer = (_shade(colour, end, step / _STEPS) for step in range(_STEPS))
    return next((one for one in nearer if contrast(one, on) >= TEXT_CONTRAST), end)


def _shade(colour: str, end: str, share: float) -> str:
    """Move the lightness towards black or white and leave the hue, which is the brand's."""
    hue, lightness, saturation = rgb_to_hls(*(part / 255 for part in _rgb(colour)))
    target = _rgb(end)[0] / 255
    shaded = hls_to_rgb(hue, lightness + (target - lightness) * share, saturation)
    return "#" + "".join(f"{round(part * 255):02x}" for part in shaded)


def _rgb(colour: str) -> _Rgb:
    if not _COLOUR.fullmatch(colour):
        raise ValueError(f'"{colour}" is not a colour; write it as "#0a7d55"')
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


def _luminance(rgb: _Rgb) -> float:
    red, green, blue = (_linear(part / 255) for part in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB
