"""Speed and memory of surefoot-verifier and math-verify on the same pairs, one process each, one after the other.

    cargo build --release -p surefoot-verifier --examples
    python benchmarks/verifier/throughput.py PAIRS.jsonl     # rows {"gold": …, "pred": …, "expected": …}

The answer stands in a short model text, in a box.
"""

import json
import logging
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
TEXT = (
    "We simplify step by step: first $a+b=c$, then substitute $c=3$ and check the boundary cases.\n\n"
    "Therefore the final answer is $\\boxed{%s}$."
)
ROOT = Path(__file__).resolve().parents[2]

pairs = [json.loads(line) for line in open(sys.argv[1])]
lines = "".join(json.dumps({"gold": r["gold"], "answer": TEXT % r["pred"]}) + "\n" for r in pairs)
judge = ROOT / "target/release/examples/judge"
ours = subprocess.run([judge, "--bench", "50"], input=lines, capture_output=True, text=True, check=True).stdout.strip()
verdicts = [json.loads(line)["verdict"] for line in subprocess.run([judge], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()]
wrong = [r for r, v in zip(pairs, verdicts) if (v == "correct") != r["expected"]]
print("surefoot   ", ours, f"| {len(pairs) - len(wrong)} of {len(pairs)} as expected")
for row in wrong:
    print("  differs:", row)

from math_verify import parse, verify  # noqa: E402


def one(row):
    return verify(parse("$" + row["gold"] + "$"), parse(TEXT % row["pred"]))


for row in pairs[:20]:
    one(row)
cpu, right = time.process_time(), 0
for row in pairs:
    right += one(row) == row["expected"]
cpu = time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(f"math-verify {len(pairs) / cpu:.0f} pairs/s (CPU time), {1e6 * cpu / len(pairs):.0f} µs a pair, peak {peak} MiB | {right} of {len(pairs)} as expected")
