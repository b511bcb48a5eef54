"""Measurements that the PyTorch scripts share: the same quantities as the Rust programs report."""
import json
import os
import resource
import sys
import time

THREADS = int(os.environ.get("THREADS", "2"))
# Peers get what is best for their CPU seconds, unless the caller says otherwise: idle threads sleep instead of spinning.
os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mb():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def median(values):
    return sorted(values)[len(values) // 2]


class Timings:
    def __init__(self):
        self.wall, self.cpu = [], []

    def time(self, work):
        start, cpu = time.perf_counter(), cpu_seconds()
        result = work()
        self.wall.append(time.perf_counter() - start)
        self.cpu.append(cpu_seconds() - cpu)
        return result


def report(program, what, timings, tokens, **more):
    wall = median(timings.wall)
    line = {"program": program, "what": what, "wall_s": wall, "cpu_s": median(timings.cpu), "tokens_per_s": tokens / wall, "peak_mb": peak_mb()}
    print(json.dumps(line | more), flush=True)
