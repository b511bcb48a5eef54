"""math-verify's names: what its elements mean wherever they go, its modules, and its arguments."""

import itertools
import json
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from surefoot.math_verify import (
    ExprExtractionConfig,
    LatexExtractionConfig,
    LatexNormalizationConfig,
    StringExtractionConfig,
    math_metric,
    parse,
    parser,
    verify,
)
from surefoot.math_verify.errors import TimeoutException

SQRT2 = parse(r"$\sqrt{2}$")


def test_parse_gives_the_reading_and_the_piece():
    assert parse(r"so \boxed{2/4}") == ["1/2", "2/4"] and SQRT2 == ["sqrt(2)", r"\sqrt{2}"] and parse("5") == ["5", "5"]
    for gold, answer, expected in [
        ("$\\frac{1}{2}$", "The answer is $\\boxed{0.5}$.", True),
        ("$\\{1,3\\} \\cup \\{2,4\\}$", "$\\{1,2,3,4\\}$", True),
        ("\\boxed{72}", "#### 72", True),
        ("so the answer is $x+1$", "$1+x$", True),
        ("72", "I think it is 73.", False),
        ("(C)", "The answer is C", True),
        ("72", r"\boxed{5} or \boxed{72}", False),
        (r"$2\sqrt{3}+\pi$", r"$\pi+\sqrt{12}$", True),
    ]:
        assert verify(parse(gold), parse(answer)) is expected, (gold, answer)


@pytest.mark.parametrize(
    "gold, right, wrong",
    [
        (r"$\sqrt{2}$", r"$\frac{2}{\sqrt{2}}$", "The answer is $1$."),
        (r"$\frac{\sqrt3}{2}$", r"$\sqrt{0.75}$", "0.75"),
        (r"$2\sqrt3$", r"\boxed{\sqrt{12}}", "3"),
        (r"$2\sqrt{3}+\pi$", r"$\pi+\sqrt{12}$", r"$\pi+\sqrt{13}$"),
        (r"$3.14$", "3.1416", "3.15"),
        (r"$5\%$", "0.05", "0.5"),
        (r"$30^\circ$", r"$\frac{\pi}{6}$", r"$\frac{\pi}{3}$"),
        (r"$\$5.50$", "5.5", "5"),
        (r"$\{1, 2\}$", r"$\{2, 1\}$", "(2, 1)"),
        (r"$\vec{v} + 100,200$", r"$100200 + \vec{v}$", r"$\vec{v}$"),
        (r"$x = 3$ or $x = 4$", r"$x=4, x=3$", "x = 3"),
    ],
)
def test_elements_mean_what_the_text_does(gold, right, wrong):
    gold, right, wrong = parse(gold), parse(right), parse(wrong)
    more = parse("1000")
    for form in (
        gold,
        list(gold),
        json.loads(json.dumps(gold)),
        pickle.loads(pickle.dumps(gold)),
        gold[:1],
        gold[1:],
        gold + more,
    ):
        assert verify(form, right) and not verify(form, wrong), form
    for one, answer in itertools.product(gold, right):
        assert verify(one, answer), (one, answer)
    # As verl's reward function asks.
    assert not any(verify(one, answer) for one in gold for answer in wrong)
    joined = list(gold)
    joined += more
    assert verify(joined, "1000") and verify(more + gold, right) and not verify(gold, more)


def test_several_answers_stay_several():
    hedge = parse(r"\boxed{5} or \boxed{72}")
    assert hedge == [r"\boxed{5} or \boxed{72}"] and not any(verify("72", one) for one in hedge)


def test_nothing_to_read_is_an_empty_list():
    for nothing in ("", "I do not know", "unknown", "N/A", "[invalid]", None, float("nan"), [], r"\boxed{\frac{1"):
        assert parse(nothing) == [] and not verify(parse(nothing), parse("1")), nothing
    assert parse("", raise_on_error=True) == [] and parse(None, raise_on_error=True) == []
    with pytest.raises(ValueError, match="expected"):
        parse("1/2 ++ (", raise_on_error=True)
    with pytest.raises(ValueError, match="gold"):
        verify("1/2 ++ (", "1", raise_on_error=True)


def test_numbers_and_lists_of_alternatives():
    assert verify(["3", "4"], "4") and verify("4", ["3", "4"]) and not verify(["3", None], "4")
    for half in (Fraction(1, 2), Decimal("0.5"), 0.5, np.float64(0.5), np.array(["7", "1/2"]), ("1/2",)):
        assert verify(half, parse("$0.5$")) and not verify(half, parse("$0.6$")), half
    assert (
        verify(7, "7")
        and verify(7.0, "7")
        and not verify(7.0, "7.01")
        and not verify(None, "1")
        and not verify([], "1")
    )
    assert not verify({"answer": 1}, "1")
    with pytest.raises(TypeError, match="a gold answer is a dict, expected a text"):
        verify({"answer": 1}, "1", raise_on_error=True)


def test_objects_of_sympy():
    sympy = pytest.importorskip("sympy")
    x = sympy.Symbol("x")
    for value, right, wrong in [
        (sympy.Rational(1, 2), "$0.5$", "$0.6$"),
        (sympy.sqrt(2), r"$\sqrt{2}$", "$1$"),
        (sympy.FiniteSet(1, 2), r"$\{2,1\}$", r"$\{2\}$"),
        (sympy.Interval.open(0, 1), "$0 < x < 1$", r"$0 \le x < 1$"),
        (sympy.Eq(x, 2), "$x=2$", "$x=3$"),
        (sympy.Matrix([[1, 2], [3, x]]), r"$\begin{pmatrix}1&2\\3&x\end{pmatrix}$", "1"),
    ]:
        assert verify(value, parse(right)) and verify(parse(right), [value]) and not verify(value, parse(wrong)), value


def test_only_announced_answers_without_an_anchor():
    configs = [
        LatexExtractionConfig(
            boxed_match_priority=0, try_extract_without_anchor=False, normalization_config=LatexNormalizationConfig()
        )
    ]
    for text in ("5", "so we get $5$", "so it is 5."):
        assert parse(text, configs) == [] and parse(text, [*configs, ExprExtractionConfig()])[0] == "5"
    for text in (r"so \boxed{5}", "The answer is 5.", "#### 5"):
        assert parse(text, configs) == ["5", "5"]
    assert parse("C", [StringExtractionConfig()]) == ["C", "C"]


def test_what_has_no_effect_is_warned_of_once():
    parser._warn_once.cache_clear()
    with pytest.warns(UserWarning, match="strict=False has no effect"):
        assert not verify("x+1", "y+1", strict=False)
    with pytest.warns(UserWarning, match="boxed_match_priority below 0"):
        parse(r"\boxed{5}", [LatexExtractionConfig(boxed_match_priority=-1)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verify("x+1", "y+1", strict=False)
    with pytest.raises(ValueError, match="`extraction_mode` is 'foo', expected 'any_match' or 'first_match'"):
        parse("5", extraction_mode="foo")
    with pytest.raises(ValueError, match="`fallback_mode`"):
        parse("5", fallback_mode="foo")


def test_rounding_and_deadlines():
    assert verify("\\pi", "3.1416", float_rounding=4) and not verify("\\pi", "3.1416")
    assert parse("5", [ExprExtractionConfig()], "no_fallback", "first_match", None) == ["5", "5"]
    with ThreadPoolExecutor(4) as pool:
        assert all(
            pool.map(lambda n: verify(parse(str(n)), parse(f"\\boxed{{{2 * n}/2}}"), timeout_seconds=1), range(200))
        )


def test_the_metric():
    metric = math_metric((LatexExtractionConfig(),), (ExprExtractionConfig(), LatexExtractionConfig()))
    assert metric([r"$\frac{1}{2}$"], ["0.5"]) == (1.0, (["1/2", r"\frac{1}{2}"], ["0.5", "0.5"]))
    assert metric(["5", "6"], ["7", "6"])[0] == 1.0 and metric(["5"], ["I do not know"]) == (0.0, (["5", "5"], []))
    assert math_metric(aggregation_function=min)(["5"], ["5", "6"])[0] == 0.0
    with pytest.raises(ValueError, match=r"no gold answer can be read in \[''\]"):
        metric([""], ["6"])


def test_verls_reward_function():
    # verl/utils/reward_score/math_verify.py with its imports changed; its pool of processes left out.
    from surefoot.math_verify.grader import verify
    from surefoot.math_verify.parser import ExprExtractionConfig, LatexExtractionConfig, parse

    def compute_score(output, truth):
        try:
            gold = parse("\\boxed{" + truth + "}", (LatexExtractionConfig(),))
            answer = parse(output, (ExprExtractionConfig(), LatexExtractionConfig()))
            return max(float(any(verify(g, p) for g in gold)) for p in answer) if gold and answer else 0.0
        except TimeoutException:
            return -1.0

    assert compute_score(r"so \boxed{\sqrt{12}}", r"2\sqrt{3}") == 1.0
    assert compute_score("so 3", r"2\sqrt{3}") == 0.0 and compute_score("", "3") == 0.0
