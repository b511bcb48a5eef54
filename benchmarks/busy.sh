#!/usr/bin/env bash
# Slow-down of a training step beside a busy process for each core, against the same step alone: surefoot and PyTorch.
#
#   benchmarks/busy.sh [SHAPE]
#
# Environment: PYTHON, THREADS as in compare.sh. PyTorch runs as it comes (its idle threads spin) unless OMP_WAIT_POLICY is set.
# Busy processes end after five minutes at the latest.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
shape=${1:-M}
export THREADS=${THREADS:-2}
busy=()
start() { for ((i = 0; i < THREADS; i++)); do timeout 300 sh -c 'while :; do :; done' & busy+=($!); done; }
stop() { kill "${busy[@]}" 2>/dev/null || true; wait "${busy[@]}" 2>/dev/null || true; busy=(); }
trap 'stop' EXIT
wall() { grep '^{"program"' | sed 's/.*"wall_s": *\([0-9.e-]*\).*/\1/'; }
ours() { "${BIN:-$here/../target/release}/train_step" --shape "$shape" --threads "$THREADS" --steps "${STEPS:-5}" | wall; }
peer() { (cd "$here/peers" && "${PYTHON:-python3}" shapes.py train --shape "$shape" --steps "${STEPS:-5}" 2>/dev/null | wall); }
for program in ours peer; do
    quiet=$($program)
    start
    loaded=$($program)
    stop
    again=$($program)
    python3 -c "q = min($quiet, $again); print(f'$program, $shape: alone {q:.3f} s (twice: $quiet, $again), beside busy processes {$loaded:.3f} s, {$loaded / q:.2f} times')"
done
