#!/usr/bin/env python3
"""The verifier's batch call from Python against math-verify, per core, on the same pairs in one run.

    python benchmarks/verifier/pairs.py > pairs.jsonl
    python benchmarks/python/verifier.py pairs.jsonl       # needs math-verify 0.9.0 in the environment

The answer stands in a box at the end of a short text. math-verify takes one thread, the batch call one thread and then all; they run
in turns, each turn's ratio is of that turn, and CPU seconds are compared.
"""

import json
import logging
import statistics
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

from math_verify import parse, verify

import surefoot

TEXT = (
    "We simplify step by step: first $a+b=c$, then substitute $c=3$ and check the boundary cases.\n\n"
    "Therefore the final answer is $\\boxed{%s}$."
)
TURNS, REPEAT = 3, 200
with open(sys.argv[1], encoding="utf-8") as file:
    pairs = [json.loads(line) for line in file]
golds, answers = [row["gold"] for row in pairs], [TEXT % row["pred"] for row in pairs]
expected = [row["expected"] for row in pairs]


def measured(work):
    wall, cpu = time.perf_counter(), time.process_time()
    verdicts = [bool(verdict) for verdict in work()]
    return verdicts, time.perf_counter() - wall, time.process_time() - cpu


def peer():
    return [verify(parse(f"${gold}$"), parse(answer)) for gold, answer in zip(golds, answers, strict=True)]


def ours(threads):
    return surefoot.verify_batch(golds * REPEAT, answers * REPEAT, threads=threads)


for gold, answer in zip(golds[:20], answers[:20], strict=True):  # imports and regular expressions
    verify(parse(f"${gold}$"), parse(answer))
surefoot.verify_batch(golds, answers)
ratios = []
for turn in range(TURNS):
    theirs, _, peer_cpu = measured(peer)
    found, wall, cpu = measured(lambda: ours(1))
    _, all_wall, _ = measured(lambda: ours(None))
    per_pair = cpu / len(pairs) / REPEAT
    ratios.append(peer_cpu / len(pairs) / per_pair)
    print(
        f"turn {turn + 1}: math-verify {1e6 * peer_cpu / len(pairs):.0f} us a pair, surefoot {1e6 * per_pair:.2f} us a pair "
        f"({len(pairs) * REPEAT / wall:.0f} pairs/s on one thread, {len(pairs) * REPEAT / all_wall:.0f} on all): "
        f"{ratios[-1]:.0f} times per core"
    )
right = sum(verdict == wanted for verdict, wanted in zip(found, expected * REPEAT, strict=True)) // REPEAT
print(f"as expected of {len(pairs)}: math-verify {sum(map(bool.__eq__, theirs, expected))}, surefoot {right}")
print(f"median {statistics.median(ratios):.0f} times per core")
