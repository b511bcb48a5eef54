"""`parse` and `verify` in the shape of the package math-verify: only the import changes.

    from surefoot.math_verify import parse, verify
    verify(parse("$\\\\frac{1}{2}$"), parse("The answer is 0.5."))    # True

Both work in any thread and process: no signal is used. Where an argument has no counterpart here, `verify` and
`parse` say so in their documentation. Verdicts are surefoot's, so pairs on which the two differ are judged differently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import surefoot

__all__ = ["ExprExtractionConfig", "LatexExtractionConfig", "Parsed", "StringExtractionConfig", "parse", "verify"]


@dataclass(frozen=True)
class LatexExtractionConfig:
    """Accepted by `parse`, and not read: surefoot has one set of rules, the most explicit first."""

    try_extract_without_anchor: bool = True
    boxed_match_priority: int = 50
    normalization_config: Any = None


@dataclass(frozen=True)
class ExprExtractionConfig:
    """Accepted by `parse`, and not read."""

    try_extract_without_anchor: bool = True


@dataclass(frozen=True)
class StringExtractionConfig:
    """Accepted by `parse`, and not read."""

    strings: tuple[str, ...] = ("A", "B", "C", "D")
    try_extract_without_anchor: bool = True
    lowercase: bool = True


class Parsed(list[str]):
    """How a text reads and the piece of it that was read; empty where nothing could be. It pickles."""

    #: The text as it was given, which counts as an answer.
    text: str
    #: The piece of it that counts as a gold answer.
    gold: str

    def __init__(self, readings: Sequence[str], text: str, gold: str) -> None:
        super().__init__(readings)
        self.text = text
        self.gold = gold

    def __reduce__(self) -> tuple[Any, ...]:
        return Parsed, (list(self), self.text, self.gold)


def parse(
    pred: str,
    extraction_config: Sequence[Any] = (),
    fallback_mode: str = "first_match",
    extraction_mode: str = "any_match",
    parsing_timeout: float | None = 5,
    raise_on_error: bool = False,
) -> Parsed:
    """Reads a gold answer or a model's text.

    `parsing_timeout` (seconds, `None` for none) is a deadline behind the limit of steps, which ends every reading.
    With `raise_on_error` a text that cannot be read raises `ValueError`. `extraction_config`, `fallback_mode` and
    `extraction_mode` are not read.
    """
    del extraction_config, fallback_mode, extraction_mode
    verifier = surefoot._verifier(_deadline(parsing_timeout))
    try:
        return Parsed([verifier.read_gold(pred), pred], pred, pred)
    except ValueError as as_gold:
        try:
            answer, reading = verifier.read_answer(pred)
        except ValueError:
            if raise_on_error:
                raise as_gold from None
            return Parsed([], pred, "")
        return Parsed([reading, answer], pred, answer)


def verify(
    gold: Parsed | Sequence[str] | str,
    target: Parsed | Sequence[str] | str,
    float_rounding: int = 6,
    numeric_precision: int = 15,
    strict: bool = True,
    allow_set_relation_comp: bool = False,
    timeout_seconds: float | None = 5,
    raise_on_error: bool = False,
) -> bool:
    """Whether the target gives the gold answer: each is what `parse` returned, a text, or a list of alternatives.

    `float_rounding` is the number of significant digits at which a decimal may stand for an exact gold answer.
    `timeout_seconds` (`None` for none) is a deadline behind the limit of steps. With `raise_on_error` a pair that could
    not be judged raises `ValueError`. `numeric_precision`, `strict` and `allow_set_relation_comp` are not read.
    """
    del numeric_precision, strict, allow_set_relation_comp
    verifier = surefoot._verifier((("digits_for_exact_gold", float_rounding), *_deadline(timeout_seconds)))
    failure = ""
    for answer in _texts(target, "text"):
        for reference in _texts(gold, "gold"):
            report = verifier.verify(reference, answer)
            if report:
                return True
            if not report.judged:
                failure = repr(report)
    if failure and raise_on_error:
        raise ValueError(failure)
    return False


def _texts(side: Parsed | Sequence[str] | str, field: str) -> list[str]:
    if isinstance(side, Parsed):
        return [getattr(side, field)] if side else []
    if isinstance(side, str):
        return [side]
    return [str(text) for text in side]


def _deadline(seconds: float | None) -> tuple[tuple[str, int | None], ...]:
    limit = max(1, round(1000 * seconds)) if seconds is not None and seconds > 0 else None
    return (("deadline_ms", limit),)
