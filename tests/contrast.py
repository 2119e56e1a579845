"""How well one colour can be told from another.

Source: Web Content Accessibility Guidelines 2.2, "relative luminance" and "contrast ratio".
"""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb


def luminance(colour) -> float:
    """Relative luminance of a colour that matplotlib knows: 0 for black, 1 for white."""
    channels = np.array(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


# In the dark scheme book.css turns a figure's colours by `invert(0.93) hue-rotate(180deg)`.
# Source: Filter Effects Module Level 1, https://www.w3.org/TR/filter-effects-1/, for the matrix.
HALF_TURN = np.array([[-0.574, 1.43, 0.144], [0.426, 0.43, 0.144], [0.426, 1.43, -0.856]])


def in_the_dark(colour) -> np.ndarray:
    """What a colour of a figure becomes in the dark scheme, from 0 to 1."""
    return np.clip(HALF_TURN @ (0.93 - 0.86 * np.array(to_rgb(colour))), 0, 1)


def contrast(first, second) -> float:
    """From 1, for the same colour twice, to 21."""
    dark, light = sorted([luminance(first), luminance(second)])
    return (light + 0.05) / (dark + 0.05)
