"""math-verify's metric of one sample."""

from collections.abc import Callable, Sequence
from typing import Any

from surefoot.math_verify.grader import verify
from surefoot.math_verify.parser import ExprExtractionConfig, parse

__all__ = ["math_metric"]

Texts = tuple[list[str], list[str]]


def math_metric(
    gold_extraction_target: Sequence[Any] = (ExprExtractionConfig(),),
    pred_extraction_target: Sequence[Any] = (ExprExtractionConfig(),),
    aggregation_function: Callable[[list[float]], float] = max,
    precision: int = 6,
) -> Callable[[list[str], list[str]], tuple[float, Texts | None]]:
    """A function of a sample's gold answers and predictions that gives its score and what was read of both.

    A prediction scores 1 where it gives one of the gold answers, else 0; `aggregation_function` makes one score of theirs.
    A gold answer without anything to read raises `ValueError`.
    """

    def metric(golds: list[str], predictions: list[str]) -> tuple[float, Texts | None]:
        references = [parse(gold, gold_extraction_target) for gold in golds]
        if not golds or not all(references):
            raise ValueError(f"no gold answer can be read in {golds!r}; leave such samples out")
        answers = [parse(prediction, pred_extraction_target) for prediction in predictions]
        scores = [
            float(any(verify(reference, answer, float_rounding=precision) for reference in references))
            for answer in answers
        ]
        read = ([text for texts in references for text in texts], [text for texts in answers for text in texts])
        return aggregation_function(scores) if scores else 0.0, read

    return metric
