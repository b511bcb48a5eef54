#!/usr/bin/env bash
# Learning curves of a real model: a warm start on GSM8K's solutions, then a run each with MHPO and with GRPO from there.
#
#   benchmarks/learn.sh MODEL TRAIN TEST FOLDER
#
# MODEL is a model folder; TRAIN and TEST are GSM8K's files, as published (question, answer with "#### 72") or with problem, solution and
# answer. FOLDER gets everything, and what is there already goes on: the same command finishes what was stopped. Environment: SUREFOOT (the
# program), WARM_STEPS (100, of 16 solutions), STEPS (60, of 64 samples), SEEDS (1), PARALLEL (2 runs at a time), EVALUATED (problems of TEST
# that are evaluated, 4 samples each, 200), OBJECTIVES ("mhpo", "grpo"), RATE (1e-5; of the warm start WARM_RATE, 1e-4), SHORT (two numbers: only problems of
# so many characters whose solutions have so many, of both files; a small model has some of those right), PROBLEMS (only the first so many of TRAIN
# in the runs, again and again; the warm start has all).
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
[[ $# -eq 4 ]] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
model=$(realpath "$1") train=$(realpath "$2") test=$(realpath "$3")
mkdir -p "$4" && cd "$4"
surefoot=$(realpath "${SUREFOOT:-$here/target/release/surefoot}")
warm_steps=${WARM_STEPS:-100}
system='Solve the problem step by step. Put the final answer in \\boxed{}.'

python3 - "$train" "$test" ${SHORT:-} <<'END'
import json, re, sys

train, test, *short = sys.argv[1:]
longest = [int(length) for length in short] or [float("inf")] * 2
for path, name in (train, "train"), (test, "test"):
    with open(path, encoding="utf-8") as rows, open(f"{name}.jsonl", "w") as problems, open(f"{name}-solutions.jsonl", "w") as solutions:
        for row in map(json.loads, rows):
            problem, solution, answer = row.get("problem") or row["question"], row.get("solution"), row["answer"]
            if solution is None:
                solution, answer = row["answer"].split("####")
                solution = re.sub(r"<<.*?>>", "", solution)
            if len(problem) > longest[0] or len(solution.strip()) > longest[1]:
                continue
            text = f"{solution.strip()}\nThe answer is \\boxed{{{answer.strip()}}}."
            print(json.dumps({"problem": problem, "answer": answer.strip()}), file=problems)
            print(json.dumps({"problem": problem, "completion": text}), file=solutions)
END

warm=checkpoints/step-$warm_steps
if [[ ! -d warm/$warm ]]; then
    if [[ -d warm ]]; then
        "$surefoot" sft --resume warm
    else
        cat > warm.toml <<END
[train]
steps = $warm_steps
[model]
path = "$model"
[data]
train = "train-solutions.jsonl"
[prompt]
system = "$system"
[optimizer]
learning_rate = ${WARM_RATE:-1e-4}
schedule = "cosine"
warmup_steps = 10
min_ratio = 0.1
[checkpoint]
every = 25
[log]
run_dir = "warm"
END
        "$surefoot" sft warm.toml
    fi
fi

cat > study.toml <<END
config = "$here/configs/gsm8k-smollm2.toml"
objectives = [${OBJECTIVES:-\"mhpo\", \"grpo\"}]
seeds = [${SEEDS:-1}]
score = "reward/correct"
parallel = ${PARALLEL:-2}
folder = "study"
set = [
    "model.path=$PWD/warm/$warm", "data.train=$PWD/train.jsonl", "train.steps=${STEPS:-60}",
    ${PROBLEMS:+\"data.limit=$PROBLEMS\",}
    # After the warm start samples at temperature 1 keep the thread, and end.
    "rollout.temperature=1.0", "rollout.max_new_tokens=200",
    "optimizer.learning_rate=${RATE:-1e-5}", "optimizer.warmup_steps=4", "update.mini_batches=2",
    "eval.data=gsm8k=$PWD/test.jsonl", "eval.every=20", "eval.limit=${EVALUATED:-200}", "eval.samples=4", "eval.temperature=1.0", "eval.top_p=1.0",
]
END
"$surefoot" study study.toml
