"""The verifier from Python, on its own and in the shape of math-verify."""

import csv
import multiprocessing
import os
import pickle
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import surefoot
from surefoot import Verifier
from surefoot.math_verify import parse, verify
from surefoot.rewards import AccuracyReward, FormatReward, OverlongReward, accuracy_reward, text_of

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
        "0.5",
        "exact arithmetic",
    )
    cut = surefoot.verify("1/2", r"so \boxed{0.")
    assert (bool(cut), cut.verdict, cut.side, cut.judged) == (False, "unparseable", "answer", True)
    assert "the text ends inside" in cut.reason
    assert not surefoot.verify("1/2 ++ (", "0.5").judged
    # what nobody can work out is wrong against a number, and open against anything else
    hopeless = [surefoot.verify(gold, r"\boxed{\sum_{k=1}^{\infty} \sin k}") for gold in ("72", r"\sqrt{2}")]
    assert [(report.verdict, report.judged) for report in hopeless] == [("over-budget", True), ("over-budget", False)]


def test_half_a_surrogate_pair_does_not_stop_the_batch():
    texts = ["\ud83d so 5", "\udc00", "\U0001f600 so \\boxed{5}", "5"]
    assert [report.verdict for report in surefoot.verify_batch(["5"] * 4, texts)] == [
        "correct",
        "unparseable",
        "correct",
        "correct",
    ]
    assert (
        surefoot.verify("5", texts[0])
        and Verifier().finds_answer(texts[0])
        and accuracy_reward(texts[:1], solution=["5"])
    )


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


@pytest.mark.parametrize("threads", [1, 2])
def test_a_signal_ends_a_batch(threads):
    class Interrupted(Exception):
        pass

    def interrupt(number, frame):
        raise Interrupted

    # Without the handler some ten seconds.
    golds, answers = [r"\int_0^1 \sin(\frac{1}{x}) dx"] * 20_000, ["1"] * 20_000
    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(Interrupted):
            surefoot.verify_batch(golds, answers, threads=threads, deadline_ms=None)
        assert time.monotonic() - start < 1.5
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_what_was_read_can_be_said_again():
    verifier = Verifier()
    assert verifier.restate(r"so \boxed{\frac{\sqrt3}{2}}") == ["sqrt(3)/2", r"\frac{\sqrt3}{2}"]
    assert verifier.restate("I do not know") == verifier.restate("") == []
    with pytest.raises(ValueError, match="expected"):
        verifier.restate("1/2 ++ (")
    report = surefoot.verify(r"2\sqrt{3}", "3")
    assert report.gold_form == "2·sqrt(3)" and not surefoot.verify(report.gold_form, "3")


def test_a_missing_gold_answer_is_not_judged():
    texts = [r"\boxed{5}", r"\boxed{None}", "", "I do not know"]
    for missing in (None, float("nan"), np.nan, np.float32("nan"), "", "N/A", "[invalid]", "unknown", [], [None]):
        assert accuracy_reward(texts, solution=[missing] * 4) == [None] * 4, missing
    assert accuracy_reward([""], solution=["1/2 ++ ("]) == [None]
    logged = {}
    accuracy_reward(texts, solution=[None, "5", ["5", "6"], 7.0], log_extra=logged.__setitem__)
    assert logged["solution"] == ["", "5", "5; or 6", "7"] and logged["answer"][0] == "5"


def test_several_gold_answers_are_alternatives():
    golds = [
        ["5", "3"],
        ("5", "3"),
        np.array(["5", "3"]),
        np.array([5, 3]),
        ["3", "1/2 ++ ("],
        {3},
        3,
        3.0,
        np.int64(3),
    ]
    assert accuracy_reward(["so 3"] * 9, solution=golds) == [1.0] * 9
    assert accuracy_reward(["so 4"] * 9, solution=golds) == [0.0] * 4 + [None] + [0.0] * 4
    with pytest.raises(TypeError, match="column `solution`: a gold answer is a dict, expected a text, a number"):
        accuracy_reward(["so 3"], solution=[{"answer": "3"}])


def test_the_answer_is_what_the_assistant_says():
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "sum"}}]}
    tool = {"role": "tool", "content": "42"}
    parts = [
        {"type": "text", "text": "The answer is "},
        {"type": "image_url", "image_url": "x"},
        {"type": "text", "text": "7."},
    ]
    for chat, text in [
        ([call, tool], ""),
        ([call, tool, {"role": "assistant", "content": "so 43"}], "so 43"),
        ([{"role": "assistant", "content": "so 43"}, {"role": "user", "content": "42"}], "so 43"),
        ([{"role": "assistant", "content": parts}], "The answer is 7."),
        ([{"content": "so 43"}], "so 43"),
        ([{"role": "assistant", "content": None}], ""),
        ([{"role": "assistant"}], ""),
        ([], ""),
        ("so 43", "so 43"),
    ]:
        assert text_of(chat) == text
    assert accuracy_reward(
        [[call, tool], [], [{"role": "assistant", "content": parts}]], solution=["42", "42", "7"]
    ) == [0.0, 0.0, 1.0]


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
