"""Comparison of answers, with math-verify's arguments."""

from typing import Any

import surefoot
from surefoot.math_verify.parser import _deadline, _warn_once
from surefoot.rewards import gold_texts

__all__ = ["verify"]


def verify(
    gold: Any,
    target: Any,
    float_rounding: int = 6,
    numeric_precision: int = 15,
    strict: bool = True,
    allow_set_relation_comp: bool = False,
    timeout_seconds: float | None = 5,
    raise_on_error: bool = False,
) -> bool:
    """Whether the target gives the gold answer: each is what `parse` returned, a text, a number, an object of sympy, or a list of
    alternatives of which one is enough. Missing values (`None`, NaN) give nothing.

    `float_rounding` is the number of significant digits at which a decimal may stand for an exact gold answer.
    `timeout_seconds` (`None` for none) is a deadline behind the limit of steps. With `raise_on_error` a pair that could
    not be judged raises `ValueError`. `numeric_precision` is not read. Variables are always told apart by their names, and sets
    and the relations that describe them are always compared, so `strict=False` is warned of.
    """
    del numeric_precision, allow_set_relation_comp
    if not strict:
        _warn_once("strict=False has no effect: x + 1 and y + 1 stay different, as do sets and tuples")
    verifier = surefoot._verifier((("digits_for_exact_gold", float_rounding), *_deadline(timeout_seconds)))
    try:
        golds, answers = gold_texts(gold), gold_texts(target)
    except TypeError:
        if raise_on_error:
            raise
        return False
    failure = ""
    for answer in answers:
        for reference in golds:
            report = verifier.verify(reference, answer)
            if report:
                return True
            if not report.judged:
                failure = repr(report)
    if failure and raise_on_error:
        raise ValueError(failure)
    return False
