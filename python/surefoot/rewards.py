"""Reward functions with the signature of TRL's trainers, from surefoot's verifier and objectives.

Each takes `completions` (texts, or lists of chat messages) and the dataset's columns, and gives a number for each, or
`None` where it cannot judge, which TRL leaves out of the reward. They pickle, and need no TRL.

    GRPOTrainer(..., reward_funcs=[surefoot.rewards.accuracy_reward])
"""

from collections.abc import Callable, Sequence
from typing import Any

import surefoot

Completion = str | Sequence[dict[str, Any]]


def text_of(completion: Completion) -> str:
    """The text of a completion: itself, or the content of its last message."""
    return completion if isinstance(completion, str) else str(completion[-1]["content"])


class AccuracyReward:
    """1 where the completion gives the answer in the dataset's column, 0 where not, `None` where it cannot be judged.

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
        golds = [str(gold) for gold in columns[self.column]]
        reports = self.verifier.verify_batch(golds, [text_of(completion) for completion in completions])
        if log_extra is not None:
            log_extra(self.column, golds)
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
