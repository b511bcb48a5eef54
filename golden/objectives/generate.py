#!/usr/bin/env python3
"""Golden vectors of the objectives, by a route that shares nothing with the Rust code.

Each surrogate J is written as its paper has it, stop-gradients included, on dual numbers over 50-digit floats
(mpmath); coefficients and gradients are the dual parts, never a formula for g. Inputs are exact binary fractions that
f32 holds. Regenerate with

    python3 -m venv /tmp/golden && /tmp/golden/bin/pip install mpmath==1.3.0
    /tmp/golden/bin/python golden/objectives/generate.py
"""

import json
import random
import struct
from fractions import Fraction
from pathlib import Path

from mpmath import mp, mpf

mp.dps = 50
HERE = Path(__file__).parent
LOG_LIMIT = mpf(88)  # exp of it is where a ratio saturates, because f32 would overflow


def f32(x):
    return struct.unpack("<f", struct.pack("<f", float(x)))[0]


def f32_neighbours(x):
    """The two f32 below and the two above (or at) x, a real number."""
    near = f32(float(x))
    bits = lambda y: struct.unpack("<i", struct.pack("<f", y))[0]
    back = lambda i: struct.unpack("<f", struct.pack("<i", i))[0]
    values = sorted(back(bits(near) + step) for step in (-2, -1, 0, 1, 2))
    below = [v for v in values if mpf(v) < x][-2:]
    above = [v for v in values if mpf(v) >= x][:2]
    return below + above


class Dual:
    """value + derivative·ε with ε² = 0."""

    def __init__(self, value, slope=0):
        self.value, self.slope = mpf(value), mpf(slope)

    @staticmethod
    def of(x):
        return x if isinstance(x, Dual) else Dual(x)

    def __add__(self, other):
        other = Dual.of(other)
        return Dual(self.value + other.value, self.slope + other.slope)

    def __mul__(self, other):
        other = Dual.of(other)
        return Dual(self.value * other.value, self.slope * other.value + self.value * other.slope)

    def __truediv__(self, other):
        other = Dual.of(other)
        return Dual(
            self.value / other.value,
            (self.slope * other.value - self.value * other.slope) / (other.value * other.value),
        )

    def __neg__(self):
        return Dual(-self.value, -self.slope)

    def __sub__(self, other):
        return self + (-Dual.of(other))

    def __rsub__(self, other):
        return Dual.of(other) - self

    def __rtruediv__(self, other):
        return Dual.of(other) / self

    __radd__ = __add__
    __rmul__ = __mul__


def exp(x):
    e = mp.exp(x.value)
    return Dual(e, e * x.slope)


def ln(x):
    return Dual(mp.log(x.value), x.slope / x.value)


def tanh(x):
    t = mp.tanh(x.value)
    return Dual(t, mp.sech(x.value) ** 2 * x.slope)


def power(x, k):
    return Dual(x.value**k, k * x.value ** (k - 1) * x.slope)


def softplus(x):
    return ln(1 + exp(x)) if x.value < 0 else x + ln(1 + exp(-x))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def sg(x):
    return Dual(x.value)


def least(a, b):
    """min; the first of equals, so that a ratio at its bound is inside."""
    a, b = Dual.of(a), Dual.of(b)
    return a if a.value <= b.value else b


def most(a, b):
    a, b = Dual.of(a), Dual.of(b)
    return a if a.value >= b.value else b


def clip(x, low, high):
    return Dual(low) if x.value < low else Dual(high) if x.value > high else x


# --- surrogates: (log π, log π_old, A, options, i/|y|) -> J, without regularisers -------------------------------------


def pg(lp, old, a, o, _):
    return (lp - old) * a


def importance(lp, old, a, o, _):
    return exp(lp - old) * a


def hard_clip(lp, old, a, o, _):
    r = exp(lp - old)
    return least(r * a, clip(r, 1 - o["clip_low"], 1 + o["clip_high"]) * a)


def dual_clip(lp, old, a, o, _):
    j = hard_clip(lp, old, a, o, _)
    return most(j, o["dual_clip"] * a) if a < 0 else j


def sapo(lp, old, a, o, _):
    tau = o["temperature_positive"] if a > 0 else o["temperature_negative"]
    return 4 / tau * sigmoid(tau * (exp(lp - old) - 1)) * a


def cispo(lp, old, a, o, _):
    low = 1 - o["clip_low"] if o["clip_low"] < 1 else mpf(0)
    return sg(clip(exp(lp - old), low, 1 + o["clip_high"])) * a * lp


def gppo(lp, old, a, o, _):
    r = exp(lp - old)
    low, high = 1 - o["clip_low"], 1 + o["clip_high"]
    if r.value < low and a < 0:
        return o.get("beta_low", 1) * low * (r / sg(r)) * a
    if r.value > high and a > 0:
        return o.get("beta_high", 1) * high * (r / sg(r)) * a
    return r * a


def aspo(lp, old, a, o, _):
    r = exp(lp - old)
    low, high, c = 1 - o["clip_low"], 1 + o["clip_high"], o["dual_clip"]
    unit = r / sg(r)
    if a < 0:
        if r.value < low:
            return Dual(low * a)
        return c * unit * a if r.value > c else r * a
    if r.value > high and a > 0:
        return Dual(a / high)
    return c * unit * a if 1 / r.value > c else unit / sg(r) * a


def mhpo(lp, old, a, o, _):
    def hazard(psi):
        if o.get("hazard") == "none":
            return Dual(0)
        positive = power(softplus(psi) / o["scale_positive"], o["shape_positive"])
        return positive + power(softplus(-psi) / o["scale_negative"], o["shape_negative"])

    psi = o["bound"] * tanh((lp - old) / o["bound"])
    zeta = hazard(sg(psi))
    if o.get("anchor") == "unit":
        zeta = zeta - hazard(Dual(0))
    return exp(psi - zeta) * a


def dgpo(lp, old, a, o, _):
    pi, pi_old = exp(lp), exp(Dual.of(old))
    low, high, n, m = 1 - o["clip_low"], 1 + o["clip_high"], o["decay_low"], o["decay_high"]
    r = pi / pi_old
    if r.value < low and a < 0:
        w = low**-n * power(pi_old, -(n + 1)) * power(sg(pi), n)
    elif r.value > high and a > 0:
        w = high ** (1 / m) * power(pi_old, 1 / m - 1) * power(sg(pi), -1 / m)
    else:
        w = 1 / pi_old
    return w * a * pi


def gmpo(lp, old, a, o, _):
    """Of a sequence of one token; of several, `batch_loss` gives the mean of the clipped log-ratios as log π."""
    l = lp - old
    if a > 0:
        l = least(l, o["clip_log_high"])
    elif a < 0:
        l = most(l, -o["clip_log_low"])
    return exp(l) * a


def dppo(divergence):
    def surrogate(lp, old, a, o, _):
        p, q = mp.exp(min(lp.value, mpf(0))), mp.exp(min(mpf(old), mpf(0)))
        if divergence == "tv":
            far = abs(p - q)
        else:
            own = q * (min(mpf(old), mpf(0)) - min(lp.value, mpf(0))) if q > 0 else mpf(0)
            far = own + (1 - q) * mp.log((1 - q + mpf("1e-8")) / (1 - p + mpf("1e-8")))
        masked = far > o["divergence_high"] and p > q if a > 0 else far > o["divergence_low"] and p < q
        ratio = sg(least(exp(lp - old), Dual(o["dual_clip"])))
        return Dual(0) if masked else ratio * a * lp

    return surrogate


def drift(lp, old, o):
    r = exp(lp - old)
    return -(o["drift_coefficient"] * least(sg(r) - 1, o["drift_bound"]) * lp)


def cpgd(lp, old, a, o, progress):
    l = lp - old
    j = l * a
    if "clip_low" in o:
        share = mpf(1)
        if o.get("clip_schedule") == "tight-to-loose":
            share = o["schedule_weight"] + (1 - o["schedule_weight"]) * progress
        j = least(j, clip(l, mp.log(1 - share * o["clip_low"]), mp.log(1 + share * o["clip_high"])) * a)
    return j + drift(lp, old, o) if "drift_coefficient" in o else j


F = mpf
EPS = {"clip_low": F("0.2"), "clip_high": F("0.2")}
MHPO = {
    "bound": F("1.5"),
    "shape_positive": F("1.5"),
    "scale_positive": F("1.0"),
    "shape_negative": F("2.0"),
    "scale_negative": F("0.8"),
}
CPGD = {**EPS, "drift_coefficient": F("0.01"), "drift_bound": F("2.0")}
DGPO = {**EPS, "decay_low": mpf(1), "decay_high": mpf(2)}

#: key: (surrogate, defaults, [changed options])
OBJECTIVES = {
    "pg": (pg, {}, []),
    "is": (importance, {}, []),
    "grpo": (hard_clip, EPS, [{"clip_low": "0.1", "clip_high": "0.5"}, {"clip_low": "0", "clip_high": "0"}]),
    "ppo_dual_clip": (dual_clip, {**EPS, "dual_clip": mpf(3)}, [{"dual_clip": "1.1"}]),
    "dr_grpo": (hard_clip, EPS, []),
    "dapo": (hard_clip, {"clip_low": F("0.2"), "clip_high": F("0.28")}, []),
    "rloo": (hard_clip, EPS, []),
    "reinforce_plus_plus": (hard_clip, EPS, []),
    "gspo": (hard_clip, {"clip_low": F("0.0003"), "clip_high": F("0.0004")}, []),
    "gmpo": (gmpo, {"clip_log_low": F("0.4"), "clip_log_high": F("0.4")}, [{"clip_log_low": "0.1", "clip_log_high": "1.5"}]),
    "dppo_tv": (
        dppo("tv"),
        {"divergence_low": F("0.15"), "divergence_high": F("0.15"), "dual_clip": mpf(20)},
        [{"divergence_low": "0.01", "divergence_high": "0.4", "dual_clip": "2"}],
    ),
    "dppo_kl": (
        dppo("kl"),
        {"divergence_low": F("0.05"), "divergence_high": F("0.05"), "dual_clip": mpf(20)},
        [{"divergence_low": "0.3", "divergence_high": "0.001", "dual_clip": "1.5"}],
    ),
    "sapo": (
        sapo,
        {"temperature_positive": F("1.0"), "temperature_negative": F("1.05")},
        [{"temperature_positive": "0.25", "temperature_negative": "4"}],
    ),
    "cispo": (cispo, EPS, [{"clip_low": "1", "clip_high": "4"}, {"clip_low": "2"}]),
    "gppo": (gppo, EPS, [{"clip_low": "0.3", "clip_high": "0.1"}]),
    "ce_gppo": (gppo, {**EPS, "beta_low": F("0.75"), "beta_high": mpf(1)}, [{"beta_low": "0.25", "beta_high": "1.5"}]),
    "aspo": (aspo, {**EPS, "dual_clip": mpf(3)}, [{"dual_clip": "1.5", "clip_low": "0.4", "clip_high": "0.4"}]),
    "mhpo": (
        mhpo,
        MHPO,
        [
            {"anchor": "unit"},
            {"hazard": "none"},
            {"bound": "0.5", "shape_positive": "1.0", "shape_negative": "2.5"},
            {"bound": "3.0", "shape_positive": "0.5", "shape_negative": "3.5", "scale_negative": "2.0"},
            {"shape_positive": "3.0", "shape_negative": "4.0", "scale_positive": "1.5", "scale_negative": "2.0"},
            {"shape_positive": "1.3", "shape_negative": "5.0", "scale_positive": "0.7", "anchor": "unit"},
        ],
    ),
    "dgpo": (dgpo, DGPO, [{"decay_low": "2"}, {"decay_low": "4", "decay_high": "1", "clip_low": "0.3"}]),
    "cpgd": (cpgd, CPGD, [{"drift_coefficient": "0.5", "drift_bound": "0.3", "clip_low": "0.1"}]),
    "cpg": (cpgd, EPS, []),
    "pgd": (cpgd, {"drift_coefficient": F("0.01"), "drift_bound": F("2.0")}, []),
}

#: Sixteenths, from the anchor to where training never goes.
LOG_RATIOS = [0, 1 / 1024, 1 / 64, 1 / 16, 1 / 8, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 0.6875, 1, 1.5, 2, 3.25, 5, 10, 20, 30, 87, 100, 1000, 10000]
ADVANTAGES = [1.25, -0.75, 0.375, -1.5]
OLD = [-0.5, -2.25, 0.0, -6.75]


def log_ratios(options):
    values = [sign * x for x in LOG_RATIOS for sign in (1, -1)][1:]
    edges = []
    if "clip_low" in options:
        edges += [mp.log(1 + options["clip_high"])]
        edges += [mp.log(1 - options["clip_low"])] if options["clip_low"] < 1 else []
    if "clip_log_low" in options:
        edges += [options["clip_log_high"], -options["clip_log_low"]]
    if "dual_clip" in options:
        edges += [mp.log(options["dual_clip"]), -mp.log(options["dual_clip"])]
    near = [x for edge in edges if edge != 0 for x in f32_neighbours(edge)]
    return values, near


def saturated(x, a):
    limit = mp.exp(LOG_LIMIT) * abs(a)
    return max(min(x, limit), -limit)


def number(x):
    x = mpf(x)
    return 0.0 if abs(x) < mpf("1e-300") else float(mp.nstr(x, 20))


def points(surrogate, options):
    values, near = log_ratios(options)
    rows = []
    for i, l in enumerate(values):
        for j in range(2):
            rows.append((OLD[(i + j) % 4] + l, OLD[(i + j) % 4], ADVANTAGES[(i // 4 * 2 + j) % 4] * (-1 if j and i % 2 else 1)))
            rows.append((OLD[i % 4] + l, OLD[i % 4], -rows[-1][2]))
    rows += [(l, 0.0, a) for l in near for a in (0.5, -0.5)]
    rows += [(l, 0.0, 0.0) for l in (0.0, 1.0, -1.0)]
    seen, result = set(), []
    for lp, old, a in rows:
        assert f32(lp) == lp and f32(old) == old and f32(lp - old) == Fraction(lp) - Fraction(old), (lp, old)
        if (lp, old, a) in seen:
            continue
        seen.add((lp, old, a))
        j = surrogate(Dual(lp, 1), mpf(old), mpf(a), options, mpf(1))
        result.append([lp, old, a, number(saturated(j.value, a) if a else j.value), number(saturated(j.slope, a) if a else j.slope)])
    return result


# --- batches: the loss as the paper aggregates it, its gradient by one dual pass a token ------------------------------

AGGREGATIONS = ["seq-mean-token-mean", "token-mean", "prompt-mean-token-mean", "seq-mean-token-sum-norm"]


def aggregate(kind, terms, groups, length):
    """terms: a list of J of each sequence's trained tokens."""
    used = [(t, g) for t, g in zip(terms, groups) if t]
    total = lambda js: sum(js, Dual(0))
    if kind == "seq-mean-token-mean":
        return total([total(t) / len(t) for t, _ in used]) / len(used)
    if kind == "token-mean":
        return total([total(t) for t, _ in used]) / sum(len(t) for t, _ in used)
    if kind == "prompt-mean-token-mean":
        prompts = sorted({g for _, g in used})
        means = [
            total([total(t) for t, g in used if g == p]) / sum(len(t) for t, g in used if g == p) for p in prompts
        ]
        return total(means) / len(prompts)
    return total([total(t) / length for t, _ in used]) / len(used)


def batch_loss(key, surrogate, options, regularizer, b, seed_token):
    """The loss of batch b with the derivative by the log-probability of one token."""
    terms, at = [], 0
    for s, length in enumerate(b["lengths"]):
        tokens = [t for t in range(at, at + length) if b["mask"][t]]
        at += length
        lp = [Dual(b["logp"][t], 1 if t == seed_token else 0) for t in tokens]
        old = [mpf(b["logp_old"][t]) for t in tokens]
        row = []
        mean = sum((x - y for x, y in zip(lp, old)), Dual(0)) / len(tokens) if tokens else None
        for i, t in enumerate(tokens):
            a = mpf(b["advantages"][s])
            if options.get("epoch_weight") == "truncated":
                w = mp.exp(mpf(b["logp_epoch"][t]) - old[i])
                a *= min(max(w, 1 - options["clip_low"]), 1 + options["clip_high"])
            if key == "gmpo":
                bounded = [
                    least(x - y, options["clip_log_high"]) if a > 0 else most(x - y, -options["clip_log_low"])
                    for x, y in zip(lp, old)
                ]
                j = exp(sum(bounded, Dual(0)) / len(tokens)) * a
            elif key == "gspo":
                # the sequence's ratio in every token: log π and log π_old that differ by the mean
                j = surrogate(mean, mpf(0), a, options, None)
            else:
                own = {k: v for k, v in options.items() if not k.startswith("drift")}
                j = surrogate(lp[i], old[i], a, own, mpf(i + 1) / len(tokens))
            j = j * mpf(b["token_weights"][t])
            if "drift_coefficient" in options:
                j = j + drift(lp[i], old[i], options)
            if "drift_coefficient" in regularizer:
                j = j + drift(lp[i], old[i], regularizer)
            if "reference_coefficient" in regularizer:
                d = lp[i] - mpf(b["logp_ref"][t])
                k = {"k1": d, "k2": d * d / 2, "k3": exp(-d) - 1 + d}[regularizer["reference_estimator"]]
                j = j - regularizer["reference_coefficient"] * k
            row.append(j)
        terms.append(row)
    return -aggregate(b["aggregation"], terms, b["groups"], b["length"])


def random_batch(rng, aggregation):
    grid = lambda low, high: rng.randrange(int(low * 4096), int(high * 4096)) / 4096
    lengths = [rng.randrange(1, 9) for _ in range(5)]
    total = sum(lengths)
    mask = [rng.random() < 0.8 for _ in range(total)]
    mask[0] = mask[-1] = True
    old = [grid(-4, -0.01) for _ in range(total)]
    spread = [rng.choice([0.0, 1 / 1024, 1 / 16, 1 / 4, 1.0, 2.5]) for _ in range(total)]
    near = lambda s: [x + round(s * rng.uniform(-1, 1) * 4096) / 4096 for x in old]
    return {
        "aggregation": aggregation,
        "length": 16,
        "lengths": lengths,
        "groups": [7, 3, 7, 3, 11],
        "mask": mask,
        "logp": [x + round(s * rng.uniform(-1, 1) * 4096) / 4096 for x, s in zip(old, spread)],
        "logp_old": old,
        "logp_ref": near(0.5),
        "logp_epoch": near(0.4),
        "advantages": [rng.choice([-1, 1]) * rng.randrange(1, 32) / 16 for _ in range(5)],
        "token_weights": [rng.randrange(0, 33) / 16 for _ in range(total)],
    }


#: Those that came later have their batches last, so that the draws of the others stay.
LATER = ["gmpo", "dppo_tv", "dppo_kl"]
BATCHES = (
    [(key, {}, {}, None) for key in OBJECTIVES if key not in LATER]
    + [("grpo", {}, {}, kind) for kind in AGGREGATIONS]
    + [("mhpo", {"anchor": "unit"}, {}, kind) for kind in AGGREGATIONS]
    + [("gspo", {"clip_low": "0.2", "clip_high": "0.2"}, {}, kind) for kind in AGGREGATIONS]
    + [
        ("cpgd", {"clip_schedule": "tight-to-loose", "schedule_weight": "0.25"}, {}, None),
        ("cpgd", {"epoch_weight": "truncated"}, {}, None),
        ("grpo", {}, {"drift_coefficient": "0.05", "drift_bound": "0.5"}, None),
        ("cpgd", {}, {"drift_coefficient": "0.05", "drift_bound": "0.5"}, None),
        ("grpo", {}, {"reference_coefficient": "0.04", "reference_estimator": "k1"}, None),
        ("grpo", {}, {"reference_coefficient": "0.04", "reference_estimator": "k2"}, None),
        ("mhpo", {}, {"reference_coefficient": "0.04", "reference_estimator": "k3"}, None),
    ]
    + [(key, {}, {}, None) for key in LATER]
    + [("gmpo", {"clip_log_low": "0.05", "clip_log_high": "0.8"}, {}, kind) for kind in AGGREGATIONS]
    + [("gmpo", {}, {"reference_coefficient": "0.04", "reference_estimator": "k3"}, None)]
)

DEFAULT_AGGREGATION = dict.fromkeys("dapo cispo gppo ce_gppo aspo".split(), "token-mean") | dict.fromkeys(
    "dgpo cpgd cpg pgd".split(), "prompt-mean-token-mean"
) | dict.fromkeys("dr_grpo dppo_tv dppo_kl".split(), "seq-mean-token-sum-norm")


def typed(changes):
    return {k: mpf(v) if v[0].isdigit() else v for k, v in changes.items()}


def batches():
    rng = random.Random(20260314)
    result = []
    for key, changes, regularizer, aggregation in BATCHES:
        surrogate, defaults, _ = OBJECTIVES[key]
        options = {**defaults, **typed(changes)}
        b = random_batch(rng, aggregation or DEFAULT_AGGREGATION.get(key, "seq-mean-token-mean"))
        total = sum(b["lengths"])
        if key in ("gspo", "gmpo"):
            # weights by token would ask for the paper's GSPO-token; with equal ones the two are one
            b["token_weights"] = [1.0] * total
        loss = batch_loss(key, surrogate, options, typed(regularizer), b, None).value
        grad = [batch_loss(key, surrogate, options, typed(regularizer), b, t).slope for t in range(total)]
        result.append(
            {
                "objective": key,
                "options": changes,
                "regularizer": regularizer,
                "default_aggregation": aggregation is None,
                **b,
                "loss": number(loss),
                "grad_logp": [number(g) for g in grad],
            }
        )
    return result


# --- advantages -------------------------------------------------------------------------------------------------------


def std(xs, kind):
    mean = sum(xs) / len(xs)
    return mp.sqrt(sum((x - mean) ** 2 for x in xs) / (len(xs) - (kind == "sample")))


def advantages():
    rng = random.Random(20250518)
    eps = mpf("1e-6")
    result = []
    cases = [("grpo", {}), ("grpo", {"std": "population"}), ("dr_grpo", {}), ("dr_grpo", {"weight": "std"})]
    cases += [("dr_grpo", {"weight": "clip-filter"}), ("dr_grpo", {"weight": "clip-filter", "weight_bound": "1.25"})]
    cases += [("raw", {}), ("rloo", {})]
    cases += [(e, o) for e in ("reinforce_plus_plus", "rloo_normalized") for o in ({}, {"kl_coefficient": "0.125"}, {"std": "population"})]
    # The divergence in the reward: k2 and k3, and for estimators by sequence. Last, so that earlier cases keep their draws.
    cases += [(e, {"kl_coefficient": "0.125", "kl_estimator": k}) for e in ("reinforce_plus_plus", "rloo_normalized", "grpo", "rloo", "raw") for k in ("k1", "k2", "k3")]
    # Later estimators, after all draws of the earlier ones.
    cases += [("grpo", {"scale": "batch"}), ("grpo", {"scale": "batch", "std": "population"}), ("dr_grpo", {"weight": "std", "scale": "batch"})]
    cases += [("opo", {}), ("opo", {"kl_coefficient": "0.125"}), ("grpo_passk", {}), ("grpo_passk", {"scale": "batch"})]
    cases += [("gdpo", {}), ("gdpo", {"std": "population"}), ("gdpo", {"weights": 1})]
    for estimator, options in cases:
        groups = [4, 4, 2, 2, 2, 9, 9, 4, 5, 5]
        rewards = [rng.choice([0.0, 1.0, 0.5, -1.0]) for _ in groups]
        rewards[5] = rewards[6] = 0.7  # equal, and not a binary fraction
        rewards[8], rewards[9] = 1.0, 0.0
        rewards = [f32(r) for r in rewards]
        exact = [mpf(r) for r in rewards]
        lengths = [rng.randrange(1, 5) for _ in groups]
        total = sum(lengths)
        mask = [rng.random() < 0.75 for _ in range(total)]
        old = [rng.randrange(-8192, -1) / 2048 for _ in range(total)]
        ref = [rng.randrange(-8192, -1) / 2048 for _ in range(total)]
        # k of log π_old − log π_ref (Schulman 2020).
        divergence = {"k1": lambda d: d, "k2": lambda d: d * d / 2, "k3": lambda d: mp.exp(-d) - 1 + d}[options.get("kl_estimator", "k1")]
        k = [divergence(mpf(a) - mpf(b)) if trained else mpf(0) for a, b, trained in zip(old, ref, mask)]
        beta = mpf(options.get("kl_coefficient", "0"))
        by_sequence = ("grpo", "dr_grpo", "raw", "rloo", "opo", "grpo_passk", "gdpo")
        if estimator in by_sequence:
            ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
            exact = [r - beta * sum(k[end - length : end]) for r, end, length in zip(exact, ends, lengths)]
        of = lambda g: [r for r, h in zip(exact, groups) if h == g]
        mean = lambda xs: sum(xs) / len(xs)
        kind = options.get("std", "sample")
        signal = [g for g in set(groups) if len(set(of(g))) > 1]
        extra = {}
        if estimator == "gdpo":
            one = "weights" in options
            options = {k: v for k, v in options.items() if k != "weights"}
            if not one:  # several rewards, of which the second differs where the first does not
                weights = [f32(w) for w in (1.0, 0.25, -0.5)]
                parts = [[r, float(rng.randrange(0, 3)), f32(rng.random())] for r in rewards]
                parts[5][1:] = parts[6][1:]  # a group without a signal in any
                extra = {"parts": [x for row in parts for x in row], "weights": weights}
            else:
                weights, parts = [1.0], [[r] for r in rewards]
            values = [mpf(0)] * len(groups)
            for i, w in enumerate(weights):
                column = [mpf(row[i]) for row in parts]
                for n, g in enumerate(groups):
                    own = [x for x, h in zip(column, groups) if h == g]
                    values[n] += mpf(w) * (column[n] - mean(own)) / (std(own, kind) + eps)
            center, deviation = mean(values), std(values, kind)
            # The center is 0, and 50 digits leave 1e-50 of it.
            values = [(v - center) / (deviation + eps) if abs(v) > mpf("1e-40") else mpf(0) for v in values]
        elif estimator == "opo":
            trained, at = [], 0
            for length in lengths:
                trained.append(sum(mask[at : at + length]))
                at += length
            baseline = {}
            for g in set(groups):
                own = [(t, r) for t, r, h in zip(trained, exact, groups) if h == g]
                total = sum(t for t, _ in own)
                baseline[g] = sum(t * r for t, r in own) / total if total else None
            values = [mpf(0) if baseline[g] is None or g not in signal else r - baseline[g] for r, g in zip(exact, groups)]
        elif estimator == "grpo_passk":
            values = []
            for n, (r, g) in enumerate(zip(exact, groups)):
                others = [x for j, (x, h) in enumerate(zip(exact, groups)) if h == g and j != n]
                lead = r - max(others)
                deviation = std(exact if options.get("scale") == "batch" else of(g), kind)
                values.append(lead / (deviation + eps) if lead > 0 else mpf(0))
        elif estimator in by_sequence:
            weight = options.get("weight", "equal")
            values = []
            for r, g in zip(exact, groups):
                if estimator == "raw":
                    values.append(r)
                elif g not in signal:
                    values.append(mpf(0))
                elif estimator == "rloo":
                    values.append(r - (sum(of(g)) - r) / (len(of(g)) - 1))
                elif estimator == "grpo" or weight == "std":
                    own = exact if options.get("scale") == "batch" else of(g)
                    values.append((r - mean(of(g))) / (std(own, kind) + eps))
                elif weight == "clip-filter":
                    share = mpf(len(set(groups))) / len(signal)
                    values.append((r - mean(of(g))) * min(share, mpf(options.get("weight_bound", "3"))))
                else:
                    values.append(r - mean(of(g)))
        else:
            returns, at, where = [], 0, []
            for r, length in zip(exact, lengths):
                tokens = [t for t in range(at, at + length) if mask[t]]
                at += length
                where.append(tokens)
                returns.append([r - beta * sum(k[t] for t in tokens[i:]) for i in range(len(tokens))])
            if estimator == "rloo_normalized":
                at_or_reward = lambda j, i: returns[j][i] if i < len(returns[j]) else exact[j]
                out = []
                for n, g in enumerate(groups):
                    others = [j for j, h in enumerate(groups) if h == g and j != n]
                    out.append([v - sum(at_or_reward(j, i) for j in others) / len(others) for i, v in enumerate(returns[n])])
                returns = out
            flat = [v for row in returns for v in row]
            m, s = mean(flat), std(flat, kind)
            values = [mpf(0)] * total
            for tokens, row in zip(where, returns):
                for t, v in zip(tokens, row):
                    values[t] = (v - m) / (s + eps)
        result.append(
            {
                "estimator": estimator,
                "options": options,
                "rewards": rewards,
                "groups": groups,
                "lengths": lengths,
                "mask": mask,
                "logp_old": old,
                "logp_ref": ref,
                **extra,
                "advantages": [number(v) for v in values],
            }
        )
    return result


def write(name, value):
    (HERE / name).write_text(json.dumps(value, indent=None, separators=(",", ":")).replace("],[", "],\n[").replace("},{", "},\n{") + "\n")


def main():
    files = []
    for key, (surrogate, defaults, variants) in OBJECTIVES.items():
        cases = []
        for changes in [{}, *variants]:
            rows = points(surrogate, {**defaults, **typed(changes)})
            cases.append({"options": changes, "points": rows})
        files.append((key, cases))
        print(f"{key}: {[len(c['points']) for c in cases]} points")
    for key, cases in files:
        write(f"{key}.json", {"objective": key, "columns": ["logp", "logp_old", "advantage", "surrogate", "coefficient"], "cases": cases})
    write("batches.json", batches())
    write("advantages.json", advantages())


if __name__ == "__main__":
    main()
