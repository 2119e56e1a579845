"""Small, tested helpers for the book *Example Weighting in PyTorch and Keras*.

Importing this package loads no framework: ask for `helpers.pytorch` or `helpers.keras` when you want one.
"""

from __future__ import annotations

__version__ = "0.1.0"
