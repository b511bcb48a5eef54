"""Policy-optimisation objectives and a mathematics verifier, computed in Rust.

    objective = surefoot.Objective("mhpo", bound=1.0)
    evaluation = objective.evaluate(logp, logp_old, advantages, mask)     # NumPy arrays [N, T]
    evaluation.loss, evaluation.grad_logp, evaluation.stats

    bool(surefoot.verify("1/2", r"so it is \\boxed{0.5}"))                 # True

`surefoot.torch` makes a loss of it, `surefoot.trl` and `surefoot.verl` plug it into these trainers,
`surefoot.rewards` has reward functions, and `surefoot.math_verify` takes the place of the package of that name.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from surefoot._surefoot import (
    AdvantageEstimator,
    Correction,
    Counts,
    Evaluation,
    Objective,
    Report,
    Verifier,
    __version__,
    advantage_estimators,
    merge_stats,
    objectives,
    overlong_penalty,
    region_names,
)

__all__ = [
    "AdvantageEstimator",
    "Correction",
    "Counts",
    "Evaluation",
    "Objective",
    "Report",
    "Verifier",
    "__version__",
    "advantage_estimators",
    "merge_stats",
    "objectives",
    "overlong_penalty",
    "region_names",
    "verify",
    "verify_batch",
]


@lru_cache(maxsize=64)
def _verifier(options: tuple[tuple[str, Any], ...]) -> Verifier:
    return Verifier(**dict(options))


def verify(gold: str, answer: str, **options: Any) -> Report:
    """Judges whether the text `answer` gives the gold answer; the report is true where it does.

    Options are those of `Verifier`.
    """
    return _verifier(tuple(options.items())).verify(gold, answer)


def verify_batch(
    golds: Sequence[str], answers: Sequence[str], *, threads: int | None = None, **options: Any
) -> list[Report]:
    """Judges many pairs on all cores, or on `threads` of them; reports stand in the order of the pairs.

    Options are those of `Verifier`.
    """
    return _verifier(tuple(options.items())).verify_batch(golds, answers, threads=threads)
