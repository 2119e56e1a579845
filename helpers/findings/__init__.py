"""Say what an experiment found, with its size, and what follows for a claim.

A measured quantity is an `Effect`: a number, its 95 % interval and the number of seeds. A verdict is computed from
effects and from a `Criterion` that was stated before the experiment; its condition and its reason carry effects too.
"""

from helpers.findings.pages import glue
from helpers.findings.sizes import Effect, exact, mean, paired, ratio, share
from helpers.findings.verdicts import Condition, Criterion, Finding, Reason, judge

__all__ = [
    "Condition",
    "Criterion",
    "Effect",
    "Finding",
    "Reason",
    "exact",
    "glue",
    "judge",
    "mean",
    "paired",
    "ratio",
    "share",
]
