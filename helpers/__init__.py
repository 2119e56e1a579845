"""Small, tested helpers for the book *Example Weighting in PyTorch and Keras*.

Importing this package loads no framework: ask for `helpers.pytorch` or `helpers.keras` when you want one. After it you
may load both, in any order. It must come before whatever loads triton: the first optimiser, `torch._dynamo`, Lightning,
the Trainer of Transformers. Best make it the first import.
"""

from __future__ import annotations

from helpers._start import shield_triton

__version__ = "0.4.0"

shield_triton()
