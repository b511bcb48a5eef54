"""
Objectives and verifier of surefoot, in Rust.
"""

import typing

import numpy as np
import numpy.typing as npt
from typing import Any, Final, SupportsFloat, SupportsIndex, final

__all__ = ["__version__", "AdvantageEstimator", "Correction", "Counts", "Evaluation", "Objective", "Report", "Verifier", "advantage_estimators", "merge_stats", "objectives", "overlong_penalty", "region_names"]

__version__: Final[str]

@final
class AdvantageEstimator:
    """
    Advantages from the rewards of a whole rollout batch, by an estimator with its options.

    >>> surefoot.AdvantageEstimator("dr_grpo").compute([1, 0], groups=[7, 7])
    array([ 0.5, -0.5], dtype=float32)
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs_ex__(self, /) -> "tuple[tuple[str], dict[str, float | str]]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, name: "str", /, **options: "float | str | bool") -> AdvantageEstimator: ...
    def __repr__(self, /) -> str: ...
    def compute(self, /, rewards: "npt.ArrayLike", groups: "npt.ArrayLike", *, mask: "npt.ArrayLike | None" = None, offsets: "npt.ArrayLike | None" = None, logp_old: "npt.ArrayLike | None" = None, logp_ref: "npt.ArrayLike | None" = None, penalties: "npt.ArrayLike | None" = None, weights: "npt.ArrayLike | None" = None) -> "npt.NDArray[np.float32]":
        """
        The advantages: one a sequence `[N]`, or one a token for reinforce_plus_plus and rloo_normalized.

        - rewards: `[N]`, or `[N, K]` of several rewards, which are summed; gdpo compares each by itself first
        - groups: `[N]` the prompt that each sequence answers
        - mask: `[N, T]`, or `[T]` with offsets: the tokens, for estimators by token
        - offsets: `[N+1]` boundaries of packed sequences
        - logp_old, logp_ref: of the tokens, for `kl_coefficient`
        - weights: `[K]` of several rewards, 1 each where they are not given
        - penalties: what each token costs, where it is known already, instead of `kl_coefficient` times a divergence
        """
    @property
    def name(self, /) -> str:
        """
        Its key, as `grpo`.
        """
    @property
    def options(self, /) -> dict[str, Any]:
        """
        Every option with its present value.
        """

@final
class Correction:
    """
    Weights and a mask for tokens that another engine sampled, with verl's names for the options.

    >>> surefoot.Correction(rollout_is="token", rollout_is_threshold=2.0)
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs_ex__(self, /) -> "tuple[tuple[()], dict[str, float | str]]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, **options: "float | str | bool") -> Correction: ...
    def __repr__(self, /) -> str: ...
    def apply(self, /, logp_old: "npt.ArrayLike", logp_behavior: "npt.ArrayLike", mask: "npt.ArrayLike | None" = None, *, offsets: "npt.ArrayLike | None" = None) -> "tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.bool_] | None, dict[str, float]]":
        """
        Token weights (`None` without importance weights), the mask less rejected tokens (`None` without rejections)
        and statistics, from the log-probabilities of both engines `[N, T]`, or `[T]` with offsets.

        Count the denominators with the mask that comes back.
        """
    @property
    def options(self, /) -> dict[str, Any]:
        """
        Every option with its present value.
        """

@final
class Counts:
    """
    Counts of a whole mini-batch, which its micro-batches and data-parallel ranks divide by.

    Counts of parts add up: `sum(parts, Counts())`. A sequence without a trained token does not count.

    - tokens: trained tokens
    - sequences: sequences with a trained token
    - groups: trained tokens of each prompt, read by prompt-mean-token-mean alone
    """
    def __add__(self, other: object, /) -> Counts: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs__(self, /) -> tuple[int, int, dict[int, int]]: ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, tokens: SupportsIndex = 0, sequences: SupportsIndex = 0, groups: dict[SupportsIndex, SupportsIndex] | None = None) -> Counts: ...
    def __repr__(self, /) -> str: ...
    @property
    def groups(self, /) -> dict[int, int]:
        """
        Trained tokens of each group.
        """
    @staticmethod
    def of(mask: "npt.ArrayLike", *, offsets: "npt.ArrayLike | None" = None, groups: "npt.ArrayLike | None" = None) -> Counts:
        """
        Counts a mini-batch by its mask `[N, T]`, or `[T]` with the boundaries of packed sequences.
        """
    @property
    def sequences(self, /) -> int:
        """
        Sequences with a trained token.
        """
    @property
    def tokens(self, /) -> int:
        """
        Trained tokens.
        """

@final
class Evaluation:
    """
    Loss and gradient of a batch. It pickles, so that ranks may merge their statistics.
    """
    def __getnewargs__(self, /) -> "tuple[typing.Any, ...]": ...
    def __new__(cls, /, loss: "float", grad_logp: "npt.NDArray[typing.Any]", stats: "typing.Sequence[int]", detail: "dict[str, typing.Any] | None") -> Evaluation: ...
    def __repr__(self, /) -> str: ...
    @property
    def detail(self, /) -> dict[str, Any] | None:
        """
        Each token's surrogate, coefficient, multiplier and region (an index into `region_names()`), where asked for.
        """
    @property
    def grad_logp(self, /) -> Any:
        """
        `dL/dlogp` in the shape and precision of `logp`; 0 where the mask is false.
        """
    @property
    def loss(self, /) -> float:
        """
        The loss, which is minimised.
        """
    @property
    def stats(self, /) -> dict[str, Any]:
        """
        Statistics of the trained tokens by name; empty where they were not asked for.
        """

@final
class Objective:
    """
    An objective with its paper's defaults, and options of it or of its regularisers by keyword.

    >>> surefoot.Objective("mhpo", bound=1.0).options["bound"]
    1.0

    Raises ValueError for a name or an option that is not there (with the nearest one), a value out of range, and
    options that contradict each other.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs_ex__(self, /) -> "tuple[tuple[str], dict[str, float | str]]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, name: "str", /, **options: "float | str | bool") -> Objective: ...
    def __repr__(self, /) -> str: ...
    @property
    def advantage_estimator(self, /) -> str:
        """
        The key of its paper's advantage estimator.
        """
    @property
    def aggregation(self, /) -> str:
        """
        How token terms become one loss.
        """
    def evaluate(self, /, logp: "npt.ArrayLike", logp_old: "npt.ArrayLike", advantages: "npt.ArrayLike", mask: "npt.ArrayLike | None" = None, *, offsets: "npt.ArrayLike | None" = None, groups: "npt.ArrayLike | None" = None, logp_ref: "npt.ArrayLike | None" = None, logp_epoch: "npt.ArrayLike | None" = None, token_weights: "npt.ArrayLike | None" = None, counts: "Counts | None" = None, stats: "bool" = True, detail: "bool" = False) -> "Evaluation":
        """
        Loss, `dL/dlogp` and statistics of N sequences with T tokens.

        Arrays are `[N, T]`, a row a sequence, or packed `[T]` with `offsets`. In `float32` and row-major order they are
        read in place; a `logp` in `float64` is computed in `float64`. The interpreter's lock is released.

        - logp: log-probabilities of the policy being trained
        - logp_old: of the policy that sampled the tokens
        - advantages: one a sequence `[N]` (also `[N, 1]`) or one a token
        - mask: true where a token is trained; `None` trains all
        - offsets: `[N+1]` boundaries of packed sequences
        - groups: `[N]` the prompt that each sequence answers, for prompt-mean-token-mean
        - logp_ref: of the reference policy, for `reference_coefficient`
        - logp_epoch: of the policy at the start of the epoch, for CPGD's `epoch_weight`
        - token_weights: factors on each token's term, as a correction gives them
        - counts: those of the whole mini-batch, where this is a part of it; by default this is all of it
        - stats, detail: whether statistics and each token's terms are wanted

        Raises ValueError for shapes that do not fit and for values that are not finite, by sequence and position.
        """
    @property
    def name(self, /) -> str:
        """
        Its key, as `mhpo`.
        """
    @property
    def options(self, /) -> dict[str, Any]:
        """
        Every option with its present value.
        """
    @property
    def source(self, /) -> str:
        """
        Where its formula stands.
        """
    @property
    def title(self, /) -> str:
        """
        What it is, in a few words.
        """
    def with_options(self, /, **options: "float | str | bool") -> "Objective":
        """
        A copy with other options.
        """

@final
class Report:
    """
    The account of one comparison. It is true where the answer is correct.
    """
    def __bool__(self, /) -> bool: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs__(self, /) -> "tuple[typing.Any, ...]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, verdict: str, side: str | None, reason: str | None, rule: str | None, decision: str | None, gold: str, answer: str, gold_form: str, answer_form: str, steps: SupportsIndex) -> Report: ...
    def __repr__(self, /) -> str: ...
    @property
    def answer(self, /) -> str:
        """
        The answer that was found in the text.
        """
    @property
    def answer_form(self, /) -> str:
        """
        The answer as it was understood.
        """
    @property
    def correct(self, /) -> bool:
        """
        Whether the answer is correct.
        """
    @property
    def decision(self, /) -> str | None:
        """
        On what ground a verdict of `correct` or `wrong` stands.
        """
    @property
    def gold(self, /) -> str:
        """
        The gold answer.
        """
    @property
    def gold_form(self, /) -> str:
        """
        The gold answer as it was understood.
        """
    @property
    def judged(self, /) -> bool:
        """
        Whether there is a verdict: the answer is correct or wrong, or gives nothing to read, or the budget ended against a
        plain number. Where it is not, the gold answer could not be read or the budget ended, and a reward of 0 would be a guess.
        """
    @property
    def reason(self, /) -> str | None:
        """
        Why it could not be read.
        """
    @property
    def rule(self, /) -> str | None:
        """
        The rule that found the answer, as `boxed`.
        """
    @property
    def side(self, /) -> str | None:
        """
        The side that could not be read, `gold` or `answer`.
        """
    @property
    def steps(self, /) -> int:
        """
        Steps spent.
        """
    @property
    def verdict(self, /) -> str:
        """
        `correct`, `wrong`, `unparseable` or `over-budget`.
        """

@final
class Verifier:
    """
    Judges answers against gold answers. It holds no state: any number of threads may call one, it pickles, and a
    process that was forked may go on using it.

    - format: the required form of the text, `boxed`, `think-answer`, `answer` or `hashes`; `None` looks for the answer
    - boxes: what several boxes mean: `agree`, `last` or `joined`
    - percent: what `10\\%` equals: `either` 0.1 or 10, or its `value` alone
    - at_gold_precision: a decimal gold answer accepts what rounds to it
    - digits_for_exact_gold: significant digits at which a decimal may stand for an exact gold answer, `None` for never
    - max_steps: the deterministic limit of one comparison
    - deadline_ms: the wall clock behind it; `None` makes every verdict independent of the machine
    - max_answer_bytes: the longest answer that is parsed
    - seed: of the random points at which expressions are compared
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs_ex__(self, /) -> "tuple[tuple[()], dict[str, typing.Any]]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, *, format: str | None = None, boxes: str = "agree", percent: str = "either", at_gold_precision: bool = True, digits_for_exact_gold: SupportsIndex | None = ..., max_steps: SupportsIndex = 400000, deadline_ms: SupportsIndex | None = ..., max_answer_bytes: SupportsIndex = 20000, seed: SupportsIndex = 0) -> Verifier: ...
    def __repr__(self, /) -> str: ...
    def finds_answer(self, /, text: "str") -> "bool":
        """
        Whether an answer is found in the text: with a `format`, whether the text has that form.
        """
    @property
    def options(self, /) -> dict[str, Any]:
        """
        Every option with its present value.
        """
    def read_answer(self, /, text: "str") -> "tuple[str, str]":
        """
        The answer that is found in a text, and how it reads. Raises ValueError where there is none or it cannot be read.
        """
    def read_gold(self, /, gold: "str") -> "str":
        """
        How a gold answer reads. Raises ValueError where it cannot be read.
        """
    def restate(self, /, text: "str") -> "list[str]":
        """
        How a text reads and the piece of it that was read, which mean what the text does each by itself, as gold answers and as
        answers; the text alone where it gives several answers, and nothing where it gives none. Raises ValueError where the answer
        cannot be read.
        """
    def verify(self, /, gold: "str", answer: "str") -> "Report":
        """
        Judges whether the text `answer` gives the gold answer.
        """
    def verify_batch(self, /, golds: "typing.Sequence[str]", answers: "typing.Sequence[str]", *, threads: "int | None" = None) -> "list[Report]":
        """
        Judges many pairs on all cores, or on `threads` of them, in order.
        """

def advantage_estimators() -> list[str]:
    """
    The keys of all advantage estimators.
    """

def merge_stats(evaluations: "typing.Sequence[Evaluation]") -> "dict[str, float]":
    """
    The statistics of several micro-batches together, as if they had been evaluated as one.
    """

def objectives() -> list[str]:
    """
    The keys of all objectives.
    """

def overlong_penalty(length: SupportsIndex, limit: SupportsIndex, buffer: SupportsIndex, factor: SupportsFloat | SupportsIndex = 1.0) -> float:
    """
    DAPO's soft punishment: 0 up to `limit - buffer` tokens, then in a line to `-factor` at `limit` and beyond.
    """

def region_names() -> list[str]:
    """
    What the numbers in the detail's region stand for.
    """
