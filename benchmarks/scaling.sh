#!/usr/bin/env bash
# Weak scaling of `mpirun surefoot train` on this machine: one thread a rank, the same work a rank. Runs of 1 and of RANKS ranks
# in turns; seconds a step are medians over the steps but the first. Build with --features mpi.
#
#   benchmarks/scaling.sh MODEL [RANKS] [ROUNDS]
#
# MODEL is a folder with weights, as benchmarks/model.sh or `surefoot model init` make one. Environment: PROMPTS (a rank), SAMPLES, TOKENS, STEPS.
set -euo pipefail
cd "$(dirname "$0")/.."
model=$(realpath "${1:?usage: benchmarks/scaling.sh MODEL [RANKS] [ROUNDS]}")
ranks=${2:-2} rounds=${3:-3} prompts=${PROMPTS:-8}
surefoot=${SUREFOOT:-target/release/surefoot}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
cat > "$work/run.toml" <<T
[model]
path = "$model"
[data]
train = "task:addition,rows=4000,seed=7,digits=2,style=plain"
[prompt]
chat = "never"
max_tokens = 32
[rollout]
samples = ${SAMPLES:-8}
max_new_tokens = ${TOKENS:-64}
[reward]
name = "exact"
[regularizer]
# So that every sample is trained on, whatever its reward.
drift_coefficient = 0.01
[update]
mini_batches = 2
recompute = "never"
[checkpoint]
every = 0
[log]
tensorboard = false
T
one() {
    mpirun --oversubscribe -n "$1" "$surefoot" train "$work/run.toml" --set train.threads=1 --set "train.steps=${STEPS:-6}" \
        --set "rollout.prompts=$((prompts * $1))" --set "log.run_dir=\"$work/$1-$2\"" > /dev/null 2> "$work/stderr" ||
        { cat "$work/stderr" >&2; exit 1; }
}
echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg)"
for ((round = 1; round <= rounds; round++)); do
    one 1 "$round"
    one "$ranks" "$round"
done
python3 - "$work" "$ranks" "$rounds" <<'P'
import json, pathlib, statistics, sys
work, ranks, rounds = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
names = ("time/step", "time/rollout", "time/update")
found = {}
for n in (1, ranks):
    lines = [json.loads(l) for r in range(1, rounds + 1) for l in (work / f"{n}-{r}" / "metrics.jsonl").read_text().splitlines()[1:]]
    found[n] = {name: statistics.median(line[name] for line in lines) for name in names}
    tokens = statistics.median(line["update/tokens"] for line in lines)
    print(f"{n} rank(s): " + ", ".join(f"{name} {found[n][name]:.3f} s" for name in names) + f", {tokens:.0f} tokens updated a step")
print("efficiency: " + ", ".join(f"{name} {100 * found[1][name] / found[ranks][name]:.0f}%" for name in names))
P
echo "load average after: $(cut -d' ' -f1-3 /proc/loadavg)"
