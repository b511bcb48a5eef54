"""`parse`, `verify` and `math_metric` in the shape of the package math-verify: only the import changes.

    from surefoot.math_verify import parse, verify
    verify(parse("$\\\\frac{1}{2}$"), parse("The answer is 0.5."))    # True

All work in any thread and process: no signal is used. Where an argument has no counterpart here, their documentation says so, and a
value of it that would change verdicts is warned of once. Verdicts are surefoot's, so pairs on which the two differ are judged differently.
"""

from surefoot.math_verify.grader import verify
from surefoot.math_verify.metric import math_metric
from surefoot.math_verify.parser import (
    ExprExtractionConfig,
    LatexExtractionConfig,
    LatexNormalizationConfig,
    StringExtractionConfig,
    parse,
)

__all__ = [
    "ExprExtractionConfig",
    "LatexExtractionConfig",
    "LatexNormalizationConfig",
    "StringExtractionConfig",
    "math_metric",
    "parse",
    "verify",
]
