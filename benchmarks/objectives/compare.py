#!/usr/bin/env python3
"""Loss and gradient of one million tokens: surefoot against the same formulas in PyTorch eager, side by side.

    python benchmarks/objectives/compare.py        # needs torch and cargo; one core each

The Rust benchmark writes its tokens, PyTorch reads them; both run on one thread and take the best of several runs
(other processes only ever slow one down), in turns. Losses must agree.

Twice: sequences of one length, where PyTorch needs neither a mask nor padding and the mean over all is every aggregation;
and sequences whose lengths are spread as those of GSM8K's reference solutions are, which PyTorch holds as trainers do, in
rows as long as the longest with a mask, and aggregates by it. Times are by trained token.
"""

import math
import subprocess
import sys
import tempfile
import time
from array import array
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
SEQUENCES, GROUP = 2048, 8
RUNS = 8


def clipped(r, a, low, high):
    return torch.minimum(r * a, r.clamp(1 - low, 1 + high) * a)


def mhpo(lp, old, a):
    psi = 1.5 * torch.tanh((lp - old) / 1.5)
    s = psi.detach()
    zeta = F.softplus(s) ** 1.5 + (F.softplus(-s) / 0.8) ** 2
    return torch.exp(psi - zeta) * a


def sapo(lp, old, a):
    tau = torch.where(a > 0, 1.0, 1.05)
    return 4 / tau * torch.sigmoid(tau * (torch.exp(lp - old) - 1)) * a


def dgpo(lp, old, a):
    r = torch.exp(lp - old)
    frozen = r.detach()
    low = frozen * r / 0.8
    high = 1.2**0.5 * r * frozen**-0.5
    return torch.where((frozen < 0.8) & (a < 0), low, torch.where((frozen > 1.2) & (a > 0), high, r)) * a


def gppo(lp, old, a, beta=1.0):
    r = torch.exp(lp - old)
    unit = r / r.detach()
    inner = torch.where((r > 1.2) & (a > 0), 1.2 * unit, r)
    return torch.where((r < 0.8) & (a < 0), beta * 0.8 * unit, inner) * a


def aspo(lp, old, a):
    r = torch.exp(lp - old)
    frozen = r.detach()
    live = torch.where(a < 0, frozen, 1 / frozen).clamp(max=3.0) * (r / frozen)
    inner = torch.where((frozen > 1.2) & (a > 0), 1 / 1.2, live)
    return torch.where((frozen < 0.8) & (a < 0), 0.8, inner) * a


def cpgd(lp, old, a, drift=0.01, clip=True):
    log_ratio = lp - old
    j = log_ratio * a
    if clip:
        j = torch.minimum(j, log_ratio.clamp(math.log(0.8), math.log(1.2)) * a)
    return j - drift * (torch.exp(log_ratio.detach()) - 1).clamp(max=2.0) * lp if drift else j


def dual(lp, old, a):
    j = clipped(torch.exp(lp - old), a, 0.2, 0.2)
    return torch.where(a < 0, torch.maximum(j, 3.0 * a), j)


def gspo(lp, old, a, mask=None):
    if mask is None:
        mean = (lp - old).mean(dim=1, keepdim=True)
    else:
        mean = ((lp - old) * mask).sum(dim=1, keepdim=True) / mask.sum(dim=1, keepdim=True)
    s = torch.exp(mean)
    return clipped(s, a, 3e-4, 4e-4).expand_as(lp)


SURROGATES = {
    "pg": lambda lp, old, a: (lp - old) * a,
    "is": lambda lp, old, a: torch.exp(lp - old) * a,
    "grpo": lambda lp, old, a: clipped(torch.exp(lp - old), a, 0.2, 0.2),
    "ppo_dual_clip": dual,
    "dapo": lambda lp, old, a: clipped(torch.exp(lp - old), a, 0.2, 0.28),
    "gspo": gspo,
    "sapo": sapo,
    "cispo": lambda lp, old, a: torch.exp(lp - old).clamp(0.8, 1.2).detach() * a * lp,
    "gppo": gppo,
    "ce_gppo": lambda lp, old, a: gppo(lp, old, a, 0.75),
    "aspo": aspo,
    "mhpo": mhpo,
    "dgpo": dgpo,
    "cpgd": cpgd,
    "cpg": lambda lp, old, a: cpgd(lp, old, a, 0.0),
    "pgd": lambda lp, old, a: cpgd(lp, old, a, clip=False),
}


def read(folder, name):
    values = array("f")
    values.frombytes((folder / f"{name}.f32").read_bytes())
    return torch.tensor(values)


def rows(folder, name, lengths):
    """A sequence a row, zeros behind its end."""
    return torch.nn.utils.rnn.pad_sequence(read(folder, name).split(lengths), batch_first=True)


def aggregate(j, mask, aggregation):
    """As trainers write it, the mask's sums included."""
    masked = j * mask
    if aggregation == "token-mean":
        return masked.sum() / mask.sum()
    if aggregation == "prompt-mean-token-mean":
        masked, mask = masked.view(SEQUENCES // GROUP, -1), mask.view(SEQUENCES // GROUP, -1)
    return (masked.sum(dim=1) / mask.sum(dim=1)).mean()


def rust(folder):
    command = ["cargo", "bench", "-q", "-p", "surefoot-objectives", "--bench", "tokens", "--", str(folder)]
    lines = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    table = [line.split("\t") for line in lines if "\t" in line]
    return {
        (lengths, key): (float(alone), float(full), float(loss), aggregation)
        for lengths, key, alone, full, loss, aggregation, _ in table[1:]
    }


class Batch:
    """The tokens of a folder as PyTorch holds them; the mask is `None` where all sequences are of one length."""

    def __init__(self, folder):
        counts = array("I")
        counts.frombytes((folder / "lengths.u32").read_bytes())
        lengths = counts.tolist()
        self.tokens = sum(lengths)
        self.logp, self.logp_old = rows(folder, "logp", lengths), rows(folder, "logp_old", lengths)
        self.advantages = read(folder, "advantages").view(SEQUENCES, 1)
        self.mask = None
        if len(set(lengths)) > 1:
            self.mask = (torch.arange(max(lengths)) < torch.tensor(lengths).view(-1, 1)).float()

    def measure(self, key, aggregation):
        """Nanoseconds a trained token, and the loss."""
        surrogate = partial(gspo, mask=self.mask) if key == "gspo" else SURROGATES[key]
        best, loss = float("inf"), 0.0
        for _ in range(RUNS):
            leaf = self.logp.clone().requires_grad_()
            start = time.perf_counter()
            terms = surrogate(leaf, self.logp_old, self.advantages)
            value = -(terms.mean() if self.mask is None else aggregate(terms, self.mask, aggregation))
            value.backward()
            best = min(best, time.perf_counter() - start)
            loss = value.item()
        return best * 1e9 / self.tokens, loss


def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        first = rust(folder)
        batches = {lengths: Batch(Path(folder) / lengths) for lengths in ("even", "uneven")}
        torch_side = {
            (lengths, key): batches[lengths].measure(key, aggregation)
            for (lengths, key), (_, _, _, aggregation) in first.items()
            if key in SURROGATES
        }
        second = rust(folder)
    print("lengths\tobjective\tns/token\twith statistics\ttorch ns/token\ttorch / surefoot")
    for lengths, key in first:
        if key == "traffic":
            print(f"{lengths}\ttwo numbers read and one written, no formula\t{min(first[lengths, key][0], second[lengths, key][0]):.2f}")
    failed = False
    for at, (torch_ns, torch_loss) in torch_side.items():
        lengths, key = at
        alone, full = (min(first[at][i], second[at][i]) for i in (0, 1))
        print(f"{lengths}\t{key}\t{alone:.2f}\t{full:.2f}\t{torch_ns:.1f}\t{torch_ns / alone:.1f}")
        if abs(torch_loss - first[at][2]) > 1e-5 * max(1.0, abs(torch_loss)):
            print(f"{lengths} {key}: the losses differ: {first[at][2]} and {torch_loss}", file=sys.stderr)
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
