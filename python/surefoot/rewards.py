"""Reward functions with the signature of TRL's trainers, from surefoot's verifier and objectives.

Each takes `completions` (texts, or lists of chat messages) and the dataset's columns, and gives a number for each, or
`None` where it cannot judge, which TRL leaves out of the reward. They pickle, and need no TRL.

    GRPOTrainer(..., reward_funcs=[surefoot.rewards.accuracy_reward])
"""

import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

import surefoot

Completion = str | Sequence[dict[str, Any]]


def text_of(completion: Completion) -> str:
    """The text of a completion: itself, or what the assistant said last; nothing where it said nothing.

    What tools and users say is no answer. Of content in parts those with text count.
    """
    if isinstance(completion, str):
        return completion
    said = [message for message in completion if message.get("role", "assistant") == "assistant"]
    content = said[-1].get("content") if said else None
    if content is None or isinstance(content, str):
        return content or ""
    parts = [part if isinstance(part, str) else part.get("text") or "" for part in content]
    return "".join(parts)


def gold_texts(gold: Any) -> list[str]:
    """A gold answer of a dataset as texts: none where it is missing (`None`, NaN), several where it is a list of alternatives.

    Numbers and objects of sympy are taken as they are written; anything else raises `TypeError`.
    """
    if isinstance(gold, str):
        return [gold]
    if isinstance(gold, (list, tuple, set, frozenset)):
        # The two texts of `math_verify.parse` are often the same.
        return list(dict.fromkeys(text for one in gold for text in gold_texts(one)))
    if isinstance(gold, (np.ndarray, np.generic)):
        return gold_texts(gold.tolist())
    if gold is None or type(gold).__name__ in ("NAType", "NaTType"):
        return []
    if isinstance(gold, float):
        # A column of whole numbers with a gap in it has become one of decimals.
        return [] if math.isnan(gold) else [str(int(gold)) if gold.is_integer() else repr(gold)]
    if isinstance(gold, (bool, int, Fraction, Decimal)):
        return [str(gold)]
    latex = getattr(gold, "_repr_latex_", lambda: None)()
    if isinstance(latex, str):
        return [latex]
    kind = type(gold).__name__
    raise TypeError(
        f"a gold answer is a {kind}, expected a text, a number, or a list of such; give the column of the answer"
    )


def judge(verifier: surefoot.Verifier, golds: Iterable[Any], texts: Sequence[str]) -> list[surefoot.Report]:
    """The report of each text on its gold answer, which is what `gold_texts` takes: of several that which is correct, or one that
    could not be judged. A missing gold answer is one that cannot be read."""
    alternatives = [gold_texts(gold) or [""] for gold in golds]
    if len(alternatives) != len(texts):
        raise ValueError(f"there are {len(alternatives)} gold answers and {len(texts)} texts, expected as many of each")
    pairs = [(gold, text) for several, text in zip(alternatives, texts, strict=True) for gold in several]
    reports = iter(verifier.verify_batch([gold for gold, _ in pairs], [text for _, text in pairs]))
    return [_decisive([next(reports) for _ in several]) for several in alternatives]


def _decisive(reports: list[surefoot.Report]) -> surefoot.Report:
    return max(reports, key=lambda report: (report.correct, not report.judged))


class AccuracyReward:
    """1 where the completion gives the answer in the dataset's column, 0 where not, `None` where it cannot be judged: the gold answer
    is missing or cannot be read, or the limit of steps was met and it is no plain number. A gold answer may be a list of alternatives.

    - column: the column with the gold answer
    - correct, wrong: the rewards
    - options: those of `Verifier`; no deadline by default, so that no reward depends on how busy the machine is
    """

    def __init__(self, column: str = "solution", *, correct: float = 1.0, wrong: float = 0.0, **options: Any) -> None:
        self.__name__ = "accuracy_reward"
        self.column = column
        self.correct = correct
        self.wrong = wrong
        self.verifier = surefoot.Verifier(**{"deadline_ms": None, **options})

    def __call__(
        self,
        completions: Sequence[Completion],
        log_extra: Callable[[str, list[Any]], None] | None = None,
        **columns: Any,
    ) -> list[float | None]:
        if self.column not in columns:
            known = ", ".join(sorted(columns)) or "none"
            raise ValueError(f"the dataset has no column `{self.column}` with the gold answers; it has {known}")
        golds = list(columns[self.column])
        try:
            reports = judge(self.verifier, golds, [text_of(completion) for completion in completions])
        except TypeError as error:
            raise TypeError(f"column `{self.column}`: {error}") from None
        if log_extra is not None:
            log_extra(self.column, ["; or ".join(gold_texts(gold)) for gold in golds])
            log_extra("verdict", [report.verdict for report in reports])
            log_extra("answer", [report.answer for report in reports])
        return [(self.correct if report else self.wrong) if report.judged else None for report in reports]


class FormatReward:
    """1 where the completion has the form, else 0: `boxed`, `think-answer`, `answer` or `hashes`."""

    def __init__(self, format: str = "boxed") -> None:
        self.__name__ = f"{format.replace('-', '_')}_format_reward"
        self.verifier = surefoot.Verifier(format=format)

    def __call__(self, completions: Sequence[Completion], **columns: Any) -> list[float]:
        return [float(self.verifier.finds_answer(text_of(completion))) for completion in completions]


class OverlongReward:
    """DAPO's soft punishment by the number of tokens: 0 up to `limit - buffer`, in a line to `-factor` at `limit`."""

    def __init__(self, limit: int, buffer: int, factor: float = 1.0) -> None:
        self.__name__ = "overlong_reward"
        self.limit, self.buffer, self.factor = limit, buffer, factor

    def __call__(self, completion_ids: Sequence[Sequence[int]], **columns: Any) -> list[float]:
        return [surefoot.overlong_penalty(len(ids), self.limit, self.buffer, self.factor) for ids in completion_ids]


#: TRL's `accuracy_reward`, by surefoot's verifier: the gold answers stand in the column `solution`.
accuracy_reward = AccuracyReward()
