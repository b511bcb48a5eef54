"""The verifier from Python, on its own and in the shape of math-verify."""

import csv
import multiprocessing
import os
import pickle
import threading
from pathlib import Path

import pytest

import surefoot
from surefoot import Verifier
from surefoot.math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from surefoot.rewards import AccuracyReward, FormatReward, OverlongReward, accuracy_reward

CASES = Path(__file__).resolve().parents[2] / "crates" / "verifier" / "cases"


def cases():
    rows = []
    for path in sorted(CASES.glob("*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows += list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return rows


def test_one_and_many_agree_with_the_table():
    rows = cases()
    assert len(rows) > 900
    golds, answers = [row["gold"] for row in rows], [row["answer"] for row in rows]
    reports = surefoot.verify_batch(golds, answers, deadline_ms=None)
    wrong = [(row, report) for row, report in zip(rows, reports, strict=True) if row["verdict"] != report.verdict]
    assert not wrong, wrong[:5]
    assert surefoot.verify_batch(golds, answers, threads=1, deadline_ms=None) == reports
    one_by_one = [surefoot.verify(gold, answer, deadline_ms=None) for gold, answer in zip(golds, answers, strict=True)]
    assert one_by_one == reports
    assert surefoot.verify_batch([], []) == []


def test_a_report_says_why():
    report = surefoot.verify("1/2", r"so \boxed{0.5}")
    assert report and report.correct and report.judged and report.verdict == "correct"
    assert (report.rule, report.answer, report.answer_form, report.decision) == (
        "boxed",
        "0.5",
        "1/2",
        "exact arithmetic",
    )
    cut = surefoot.verify("1/2", r"so \boxed{0.")
    assert (bool(cut), cut.verdict, cut.side, cut.judged) == (False, "unparseable", "answer", True)
    assert "the text ends inside" in cut.reason
    assert not surefoot.verify("1/2 ++ (", "0.5").judged


def test_options_and_their_errors():
    assert not surefoot.verify("72", "so 72", format="boxed")
    assert surefoot.verify("72", r"so \boxed{72}", format="boxed")
    assert surefoot.verify("5", r"\boxed{4} \boxed{5}", boxes="last") and not surefoot.verify(
        "5", r"\boxed{4} \boxed{5}"
    )
    assert surefoot.verify("10", r"10\%") and not surefoot.verify("10", r"10\%", percent="value")
    with pytest.raises(ValueError, match='option `format` is "box", expected "boxed" or "think-answer"'):
        Verifier(format="box")
    with pytest.raises(ValueError, match="there are 2 golds and 1 answers"):
        surefoot.verify_batch(["1", "2"], ["1"])
    with pytest.raises(TypeError):
        surefoot.verify("1", 1)


def judge_in_another_process(pair):
    return surefoot.verify_batch([pair[0]] * 100, [pair[1]] * 100)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes(method):
    surefoot.verify_batch(["1"] * 500, ["1"] * 500)  # threads ran before the fork
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.map_async(judge_in_another_process, [("1/2", "0.5"), ("1/2", "0.6")]).get(timeout=120)
    assert [[bool(report) for report in reports] for reports in results] == [[True] * 100, [False] * 100]


def test_threads():
    found, verifier = [], Verifier()

    def work():
        found.append(all(verifier.verify(str(n), rf"\boxed{{{2 * n}/2}}") for n in range(300)))
        found.append(verify(parse("$0.5$"), parse("the answer is 1/2")))

    threads = [threading.Thread(target=work) for _ in range(2 * (os.cpu_count() or 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2 * len(threads) and all(found)


def test_in_the_shape_of_math_verify():
    for gold, answer, expected in [
        ("$\\frac{1}{2}$", "The answer is $\\boxed{0.5}$.", True),
        ("$\\{1,3\\} \\cup \\{2,4\\}$", "$\\{1,2,3,4\\}$", True),
        ("\\boxed{72}", "#### 72", True),
        ("so the answer is $x+1$", "$1+x$", True),
        ("72", "I think it is 73.", False),
        ("(C)", "The answer is C", True),
    ]:
        assert verify(parse(gold), parse(answer)) is expected, (gold, answer)
    config = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]
    parsed = parse("so \\boxed{2/4}", extraction_config=config, extraction_mode="first_match", parsing_timeout=None)
    assert parsed == ["1/2", "so \\boxed{2/4}"] or parsed == ["1/2", "2/4"]
    assert pickle.loads(pickle.dumps(parsed)) == parsed and verify("1/2", pickle.loads(pickle.dumps(parsed)))
    assert parse("") == [] and not verify(parse(""), parse("1"))
    with pytest.raises(ValueError):
        parse("", raise_on_error=True)
    with pytest.raises(ValueError, match="gold"):
        verify("1/2 ++ (", "1", raise_on_error=True)
    assert verify(["3", "4"], "4") and verify("4", ["3", "4"])
    assert verify("\\pi", "3.1416", float_rounding=4) and not verify("\\pi", "3.1416")


def test_rewards_have_trls_signature():
    chats = [[{"role": "assistant", "content": text}] for text in (r"\boxed{\frac13}", r"\boxed{1/2}", "1", "")]
    logged = {}
    solution = [r"\frac{1}{3}", r"\frac{1}{3}", "1/2 ++ (", "1"]
    rewards = accuracy_reward(completions=chats, solution=solution, prompts=chats, log_extra=logged.__setitem__)
    assert rewards == [1.0, 0.0, None, 0.0]
    assert logged["verdict"] == ["correct", "wrong", "unparseable", "unparseable"] and logged["solution"] == solution
    texts = [chat[0]["content"] for chat in chats]
    other = AccuracyReward("answer", correct=2.0, wrong=-1.0, format="boxed")
    assert pickle.loads(pickle.dumps(other))(completions=texts, answer=["1/3", "1/2", "1", "1"]) == [
        2.0,
        2.0,
        -1.0,
        -1.0,
    ]
    with pytest.raises(ValueError, match="no column `solution` with the gold answers; it has answer"):
        accuracy_reward(completions=texts, answer=solution)
    assert FormatReward("boxed")(completions=chats) == [1.0, 1.0, 0.0, 0.0]
    assert FormatReward("think-answer")(completions=["<think>a</think><answer>b</answer>", "b"]) == [1.0, 0.0]
    assert OverlongReward(100, 20)(completion_ids=[[0] * 80, [0] * 90, [0] * 200]) == [0.0, -0.5, -1.0]
    assert [reward.__name__ for reward in (accuracy_reward, FormatReward(), OverlongReward(2, 1))] == [
        "accuracy_reward",
        "boxed_format_reward",
        "overlong_reward",
    ]
