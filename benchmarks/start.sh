#!/usr/bin/env bash
# Time from starting `surefoot train` (the demo) to the first training step, that step's own time taken off.
#
#   benchmarks/start.sh [RUNS]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
surefoot=${SUREFOOT:-$(cd "$here/.." && pwd)/target/release/surefoot}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for ((run = 1; run <= ${1:-5}; run++)); do
    mkdir "$work/$run"
    cd "$work/$run"
    python3 - "$surefoot" <<'P'
import json, pathlib, subprocess, sys, time
start = time.time()
child = subprocess.Popen([sys.argv[1], "train", "--set", "train.steps=60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
metrics = pathlib.Path("runs/demo/metrics.jsonl")
try:
    while not (metrics.is_file() and metrics.read_text().count("\n")):
        assert child.poll() is None, "the run ended before its first step"
        assert time.time() - start < 60, "no step within a minute"
        time.sleep(0.002)
    passed = time.time() - start
finally:
    child.kill()
    child.wait()
step = json.loads(metrics.read_text().splitlines()[0])["time/step"]
print(f"start to first step: {passed - step:.3f} s ({passed:.3f} s to its metrics, {step:.3f} s of them the step)")
P
    cd "$here"
done
