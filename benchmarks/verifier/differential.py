"""Agreement of surefoot-verifier with math-verify on the gold answers of the benchmarks, with generated right and wrong variants.

    python -m venv venv && venv/bin/pip install math-verify==0.9.0 antlr4-python3-runtime==4.13.2
    cargo build --release -p surefoot-verifier --examples
    venv/bin/python benchmarks/verifier/differential.py DATA_FOLDER > disagreements.tsv

DATA_FOLDER holds */*.jsonl with `answer`. Standard error gets the table, standard output every disagreement.
"""

import json
import logging
import random
import re
import subprocess
import sys
import warnings
from collections import Counter
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
from math_verify import parse, verify  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
INTEGERS = 150  # plain integers are all alike: a sample of them is enough


def golds(folder):
    rng = random.Random(5)
    seen = {}
    for file in sorted(Path(folder).glob("*/*.jsonl")):
        for line in file.open():
            answer = json.loads(line)["answer"]
            if answer:
                seen[answer.strip()] = file.stem
    plain = [g for g in seen if re.fullmatch(r"-?\d+", g)]
    rest = [g for g in seen if not re.fullmatch(r"-?\d+", g)]
    simple = [g for g in rest if re.fullmatch(r"-?\\frac\{\d+\}\{\d+\}|\d+\.\d+", g)]
    other = [g for g in rest if g not in set(simple)]
    return rng.sample(plain, min(INTEGERS, len(plain))) + rng.sample(simple, min(INTEGERS, len(simple))) + other


def changed_digit(text, rng):
    places = [m.start() for m in re.finditer(r"\d", text)]
    if not places:
        return None
    at = rng.choice(places)
    new = str((int(text[at]) + rng.randint(1, 8)) % 10)
    return text[:at] + new + text[at + 1 :]


def variants(gold, rng):
    """(kind, answer, whether it is right as far as the generator knows)"""
    yield "same", gold, True
    respelled = gold.replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").replace("\\frac", "\\dfrac")
    respelled = respelled.replace("\\left", "").replace("\\right", "").replace("\\!", "")
    yield "respelled", respelled, True
    if re.fullmatch(r"-?\d+", gold):
        yield "spelling", f"{int(gold)}.0", True
        yield "spelling", f"\\frac{{{2 * int(gold)}}}{{2}}", True
    if re.fullmatch(r"\(?-?[\d\sxyzabn+*^()-]+", gold) and re.search("[a-z]", gold):
        yield "sum", f"{gold} + 1 - 1", True
        yield "sum", f"{gold} + 1", False
    wrong = changed_digit(gold, rng)
    if wrong:
        yield "digit", wrong, False
    if "," in gold and "(" not in gold:
        yield "part", gold.split(",")[0], False
    yield "hedge", f"{gold} \\text{{ or }} 987654", False


def math_verify(gold, answer):
    try:
        return bool(verify(parse(f"${gold}$"), parse(f"\\boxed{{{answer}}}")))
    except Exception as error:  # what it raises, it counts as wrong
        return f"error {type(error).__name__}"


def main():
    rng = random.Random(11)
    rows = []
    for gold in golds(sys.argv[1]):
        bare = gold.strip("$") if gold.count("$") <= 2 else gold.replace("$", "")
        rows += [(bare, kind, answer, right) for kind, answer, right in variants(bare, rng)]
    lines = "".join(json.dumps({"gold": g, "answer": f"\\boxed{{{a}}}"}) + "\n" for g, _, a, _ in rows)
    judge = ROOT / "target/release/examples/judge"
    judge = judge if judge.exists() else ROOT / "target/debug/examples/judge"
    ours = [json.loads(line) for line in subprocess.run([judge], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()]
    table = Counter()
    for (gold, kind, answer, right), mine in zip(rows, ours):
        theirs = math_verify(gold, answer)
        correct = mine["verdict"] == "correct"
        table[kind, "ours right" if correct == right else "ours not", "theirs right" if (theirs is True) == right else "theirs not"] += 1
        if correct != (theirs is True) or correct != right:
            print("\t".join([kind, gold, answer, "right" if right else "wrong", mine["verdict"], str(theirs), mine["decision"] or mine["detail"]]))
    print(f"{len(rows)} pairs", file=sys.stderr)
    for (kind, mine, theirs), count in sorted(table.items()):
        print(f"{kind:10} {mine:11} {theirs:13} {count}", file=sys.stderr)


main()
