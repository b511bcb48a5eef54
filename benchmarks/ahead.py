"""Sampling ahead of the updates against sampling in between, in turns (A B C D A B C D): seconds of wall clock and CPU a step.

    python benchmarks/ahead.py [ROUNDS]

Environment: SUREFOOT (target/release/surefoot), STEPS (60), THREADS (2). The runs are the demo's; each is a process of its own, with
its server where it has one, and start and first steps, in which nothing overlaps yet, do not count.
"""
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUREFOOT = os.environ.get("SUREFOOT", ROOT / "target/release/surefoot")
STEPS = int(os.environ.get("STEPS", "60"))
THREADS = int(os.environ.get("THREADS", "2"))
# Name, threads of the trainer, staleness, threads of a server or 0 for none.
MODES = [
    ("in between", THREADS, 0, 0),
    ("ahead", THREADS, 1, 0),
    ("ahead, half of the threads each", max(THREADS // 2, 1), 1, 0),
    ("ahead, surefoot serve", max(THREADS // 2, 1), 1, max(THREADS // 2, 1)),
]
SKIPPED = 5


def cpu():
    """CPU seconds of every child that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def measure(folder, threads, staleness, serving):
    before = cpu()
    sets = {"train.steps": STEPS, "train.threads": threads, "rollout.staleness": staleness, "log.run_dir": json.dumps(str(folder / "run")),
            "checkpoint.every": 0, "log.rollouts_every": 0, "log.tensorboard": "false"}
    server = None
    if serving:
        command = [SUREFOOT, "serve", "--model", ROOT / "crates/trainer/demo", "--port", "0", "--threads", str(serving)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        sets["server.url"] = json.dumps(server.stdout.readline().strip())
        sets["server.reload"] = '"surefoot"'
    try:
        arguments = [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]
        subprocess.run([SUREFOOT, "train", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    finally:
        if server:
            server.terminate()
            server.wait()
    steps = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()][SKIPPED:]
    mean = lambda name: sum(step.get(name, 0.0) for step in steps) / len(steps)
    return mean("time/step"), (cpu() - before) / STEPS, mean("time/rollout"), mean("time/update"), mean("time/wait")


found = {name: [] for name, *_ in MODES}
for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 3):
    for name, *mode in MODES:
        with tempfile.TemporaryDirectory() as folder:
            found[name].append(measure(pathlib.Path(folder), *mode))
print(f"{STEPS} steps of the demo, {THREADS} threads, {len(found['in between'])} rounds; median seconds a step (least to greatest)")
print(f"{'':32} {'wall':24} {'CPU':24} {'rollout':>8} {'update':>8} {'wait':>8}")
base = median([wall for wall, *_ in found["in between"]])
for name, runs in found.items():
    columns = list(zip(*runs))
    spread = lambda values: f"{median(values):.4f} ({min(values):.4f} to {max(values):.4f})"
    rest = " ".join(f"{median(values):8.4f}" for values in columns[2:])
    print(f"{name:32} {spread(columns[0]):24} {spread(columns[1]):24} {rest}   wall ratio {median(columns[0]) / base:.3f}")
