"""1000 pairs of a gold answer and another answer, half of them wrong, for throughput.py.

    python benchmarks/verifier/pairs.py > pairs.jsonl
"""

import json
import random
from fractions import Fraction

rng = random.Random(20)


def integer():
    n = rng.randint(-9999, 9999)
    return str(n), rng.choice([f"{n}.0", f"{n}", f"\\text{{{n}}}"]), str(n + rng.randint(1, 9))


def decimal():
    n = rng.randint(1, 99999)
    gold = f"{n / 100:.2f}"
    return gold, f"{gold}0", f"{(n + rng.randint(2, 9)) / 100:.2f}"


def fraction():
    p, q, k = rng.randint(1, 99), rng.randint(2, 60), rng.randint(2, 9)
    return f"\\frac{{{p}}}{{{q}}}", rng.choice([f"{p * k}/{q * k}", f"\\dfrac{{{p}}}{{{q}}}"]), f"\\frac{{{p + 1}}}{{{q}}}"


def root():
    m, n = rng.randint(2, 9), rng.choice([2, 3, 5, 6, 7])
    return f"{m}\\sqrt{{{n}}}", f"\\sqrt{{{m * m * n}}}", f"\\sqrt{{{m * m * n + 1}}}"


def members():
    items = rng.sample(range(-50, 50), rng.randint(2, 5))
    text = lambda values: "\\{" + ", ".join(map(str, values)) + "\\}"  # noqa: E731
    return text(items), text(items[::-1]), text(items[1:] + [99])


def interval():
    a, b = rng.randint(-20, 0), rng.randint(1, 20)
    return f"[{a},{b})", f"\\left[{a}, {b}\\right)", f"({a},{b})"


def matrix():
    a = [rng.randint(-9, 9) for _ in range(4)]
    text = lambda kind, m: f"\\begin{{{kind}}} {m[0]} & {m[1]} \\\\ {m[2]} & {m[3]} \\end{{{kind}}}"  # noqa: E731
    return text("pmatrix", a), text("bmatrix", a), text("pmatrix", a[:3] + [a[3] + 1])


def equation():
    m, c = rng.randint(2, 9), rng.randint(1, 9)
    return f"y = {m}x + {c}", f"y = {c} + {m}x", f"y = {m}x - {c}"


def polynomial():
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    return f"(x+{a})(x-{b})", f"x^2 + {a}x - {b}x - {a * b}", f"x^2 + {a}x - {b}x + {a * b}"


def point():
    a, b = Fraction(rng.randint(1, 20), rng.randint(2, 9)), rng.randint(-9, 9)
    return f"({a}, {b})", f"\\left(\\frac{{{a.numerator}}}{{{a.denominator}}}, {b}\\right)", f"({a}, {b + 1})"


def percent():
    n = rng.randint(1, 99)
    return f"{n}\\%", f"{n}\\%", f"{n + 1}\\%"


KINDS = [integer, decimal, fraction, root, members, interval, matrix, equation, polynomial, point, percent]
for row in range(1000):
    gold, right, wrong = KINDS[row % len(KINDS)]()
    expected = rng.random() < 0.5
    print(json.dumps({"gold": gold, "pred": right if expected else wrong, "expected": expected}))
