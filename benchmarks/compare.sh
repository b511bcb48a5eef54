#!/usr/bin/env bash
# Runs surefoot and its peer in turns, A B A B, and prints medians and ratios.
#
#   benchmarks/compare.sh ROW [ROUNDS]
#
# ROW: train-S, train-M, decode-S, train-folder, decode-folder, decode-transformers, rl-short, rl-long, rl-short-third,
# rl-long-third. Environment: PYTHON (with peers/requirements.txt), FOLDER (model folder of SmolLM2-135M-Instruct), GGUF and
# LLAMA_PYTHON (the same model as Q4_1, a Python with llama-cpp-python), MODEL (folder made by model.sh), THREADS (2),
# MICRO_BATCH (1024), OMP_WAIT_POLICY (PASSIVE, the cheaper one for PyTorch in CPU seconds).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
row=${1:?usage: benchmarks/compare.sh ROW [ROUNDS]}
rounds=${2:-4}
bin=${BIN:-$here/../target/release}
python=${PYTHON:-python3}
threads=${THREADS:-2}
export THREADS=$threads OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
step() { echo "$bin/train_step" --threads "$threads" --micro-batch "${MICRO_BATCH:-1024}" "$@"; }
rl() { echo "$bin/rl_step" --threads "$threads" --micro-batch "${MICRO_BATCH:-1024}" --model "${MODEL:?set MODEL}" "$@"; }
long=(--max-new-tokens 128 --ignore-eos --steps 3)
case $row in
train-S | train-M)
    ours=$(step --shape "${row#train-}")
    peer="$python $here/peers/shapes.py train --shape ${row#train-}"
    ;;
decode-S)
    ours="$bin/decode --threads $threads --shape S"
    peer="$python $here/peers/shapes.py decode --shape S"
    ;;
train-folder)
    ours=$(step --shape "${FOLDER:?set FOLDER}" --steps 2)
    peer="$python $here/peers/folder.py train $FOLDER --steps 2"
    ;;
decode-folder | decode-transformers)
    new=${NEW:-33}
    ours="$bin/decode --threads $threads --shape ${FOLDER:?set FOLDER} --sequences 32 --prompt 128 --new $new --steps 1"
    if [ "$row" = decode-folder ]; then
        peer="${LLAMA_PYTHON:-$python} $here/peers/llama_cpp_decode.py ${GGUF:?set GGUF} --sequences 32 --prompt 128 --new $((new - 1))"
    else
        peer="$python $here/peers/folder.py decode $FOLDER --sequences 32 --prompt 128 --new $new --steps 1"
    fi
    ;;
rl-short | rl-short-third)
    ours=$(rl)
    peer="$python $here/peers/trl_step.py $MODEL"
    ;;
rl-long | rl-long-third)
    ours=$(rl "${long[@]}")
    peer="$python $here/peers/trl_step.py $MODEL ${long[*]}"
    ;;
*)
    echo "no such row: $row" >&2
    exit 2
    ;;
esac
case $row in *-third) ours="$ours --flat-every 3" ;; esac
results=$(mktemp)
trap 'rm -f "$results"' EXIT
echo "$row, $(date -u '+%Y-%m-%d %H:%M UTC'), load $(cut -d' ' -f1-2 /proc/loadavg 2>/dev/null || true)" >&2
for ((round = 1; round <= rounds; round++)); do
    $ours | grep '^{"program"' | tee -a "$results" >&2
    # shellcheck disable=SC2086 # a command and its arguments
    (cd "$here/peers" && $peer 2>/dev/null) | grep '^{"program"' | tee -a "$results" >&2
done
python3 "$here/ratios.py" "$row" < "$results"
