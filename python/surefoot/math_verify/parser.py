"""Reading of answers, with math-verify's arguments."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import surefoot
from surefoot.rewards import gold_texts

__all__ = [
    "ExprExtractionConfig",
    "LatexExtractionConfig",
    "LatexNormalizationConfig",
    "StringExtractionConfig",
    "parse",
]

#: Rules that take an answer which nothing announces.
_UNANNOUNCED = ("whole-text", "math-span", "last-number")


@dataclass(frozen=True)
class LatexNormalizationConfig:
    """Accepted by `LatexExtractionConfig`, and not read: surefoot reads LaTeX as it is."""

    basic_latex: bool = True
    units: bool = False
    malformed_operators: bool = False
    nits: bool = False
    boxed: str = "all"
    equations: bool = False


@dataclass(frozen=True)
class LatexExtractionConfig:
    """surefoot has one set of rules, the most explicit first, of which `try_extract_without_anchor=False` leaves those for an
    answer that is boxed, tagged or announced. Boxes always come first. `normalization_config` is not read."""

    try_extract_without_anchor: bool = True
    boxed_match_priority: int = 50
    normalization_config: Any = None


@dataclass(frozen=True)
class ExprExtractionConfig:
    """As `LatexExtractionConfig`: the kinds of extraction are not told apart."""

    try_extract_without_anchor: bool = True


@dataclass(frozen=True)
class StringExtractionConfig:
    """As `LatexExtractionConfig`. Words and letters are always read, so `strings` and `lowercase` are not."""

    strings: tuple[str, ...] = ("A", "B", "C", "D")
    try_extract_without_anchor: bool = True
    lowercase: bool = True


def parse(
    pred: Any,
    extraction_config: Sequence[Any] = (),
    fallback_mode: str = "first_match",
    extraction_mode: str = "any_match",
    parsing_timeout: float | None = 5,
    raise_on_error: bool = False,
) -> list[str]:
    """Reads a gold answer or a model's text: how it reads, and the piece of it that was read.

    The list is empty where there is no answer. Each element means by itself what the text does, so lists may be joined, cut and
    stored as JSON. A text that gives several answers is its own one element, as no piece of it says that.

    Where all configurations have `try_extract_without_anchor=False`, an answer must be boxed, tagged or announced.
    `parsing_timeout` (seconds, `None` for none) is a deadline behind the limit of steps, which ends every reading.
    With `raise_on_error` an answer that cannot be read raises `ValueError`. The two modes make no difference.
    """
    _choose("fallback_mode", fallback_mode, ("first_match", "no_fallback"))
    _choose("extraction_mode", extraction_mode, ("any_match", "first_match"))
    configs = list(extraction_config)
    if any(getattr(config, "boxed_match_priority", 0) < 0 for config in configs):
        _warn_once("boxed_match_priority below 0 has no effect: surefoot always reads boxes, and first")
    verifier = surefoot._verifier(_deadline(parsing_timeout))
    try:
        texts = [pred] if isinstance(pred, str) else gold_texts(pred)
        readings = [reading for text in texts for reading in _restate(verifier, text, configs)]
    except (TypeError, ValueError):
        if raise_on_error:
            raise
        return []
    return readings


def _restate(verifier: surefoot.Verifier, text: str, configs: Sequence[Any]) -> list[str]:
    announced = bool(configs) and not any(getattr(config, "try_extract_without_anchor", True) for config in configs)
    if announced and verifier.verify("0", text).rule in (None, *_UNANNOUNCED):
        return []
    return verifier.restate(text)


def _choose(argument: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"`{argument}` is {value!r}, expected {' or '.join(map(repr, known))}")


@cache
def _warn_once(message: str) -> None:
    warnings.warn(f"surefoot.math_verify: {message}", stacklevel=3)


def _deadline(seconds: float | None) -> tuple[tuple[str, int | None], ...]:
    limit = max(1, round(1000 * seconds)) if seconds is not None and seconds > 0 else None
    return (("deadline_ms", limit),)
