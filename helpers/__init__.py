"""Small, tested helpers for the book *Example Weighting in PyTorch and Keras*.

Importing this package loads no framework: ask for `helpers.pytorch` or `helpers.keras` when you want one. It makes it
safe to load both, in any order.
"""

from __future__ import annotations

from helpers._start import shield_triton

__version__ = "0.4.0"

shield_triton()
