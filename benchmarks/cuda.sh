#!/usr/bin/env bash
# Everything about a GPU in one command: the tests that need one, then the benchmarks, then PyTorch's for comparison.
#
#   benchmarks/cuda.sh build    # on the machine with cargo: fills target/cuda (programs, golden models, the Python package if maturin is there)
#   benchmarks/cuda.sh all      # on the machine with the GPU: needs the driver, CUDA's libraries and target/cuda
#
# `all` is `test`, `bench`, `python` (the package on CUDA tensors; PyTorch, transformers, pytest), `rl` (a whole step against TRL; FOLDER is a
# model folder) and `learn` (MHPO beside GRPO on GSM8K; FOLDER, and GSM8K_TRAIN and GSM8K_TEST are its files), each of which is a command
# too; what lacks its needs is left out with a word. CUDA's libraries are found in LD_LIBRARY_PATH, in the folder that CUDA_LIBRARIES names, or
# among the wheels of `python3`.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/cuda

build() {
    rm -rf "$folder" && mkdir -p "$folder"
    cargo build --release -p surefoot -p surefoot-benchmarks --locked
    cp target/release/{surefoot,cuda_step,rl_step} "$folder"
    local tests
    tests=$(cargo test --profile release -p surefoot-engine --lib --locked --no-run --message-format=json |
        python3 -c 'import json,sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["kind"] == ["lib"]: print(message["executable"])')
    cp "$tests" "$folder/engine-tests"
    strip "$folder"/*
    cp -r golden/models "$folder/models"
    if command -v maturin >/dev/null; then
        maturin build --release --strip --quiet --locked --manifest-path python/Cargo.toml --out "$folder"
    else
        echo "without maturin the Python package is not built; \`python\` will be left out" >&2
    fi
    du -sh "$folder"
}

# The libraries of the wheels that PyTorch brings, if there are no others.
libraries() {
    local found
    found=${CUDA_LIBRARIES:-$(python3 - <<'END' 2>/dev/null || true
import importlib.util, pathlib
spec = importlib.util.find_spec("nvidia")
folders = {str(p.parent) for root in (spec.submodule_search_locations if spec else []) for p in pathlib.Path(root).rglob("lib*.so*")}
print(":".join(sorted(folders)))
END
)}
    export LD_LIBRARY_PATH="$found:${LD_LIBRARY_PATH:-}"
}

run_tests() {
    SUREFOOT_REQUIRE_CUDA=1 SUREFOOT_GOLDEN="$PWD/$folder" "$folder/engine-tests" cuda:: --nocapture --test-threads 4
}

# Runs a command; one that fails is named and remembered, and the next one runs all the same: time on a GPU is short.
failed=0
try() {
    "$@" || { echo "failed: $*" >&2 && failed=1; }
}

run_benchmarks() {
    local step=$folder/cuda_step
    try "$step" peak
    for shape in 0.5B 1.5B; do
        for forward in agree hopper cublaslt; do try "$step" train --shape "$shape" --forward "$forward"; done
    done
    # With bfloat16 moments the activations of 4096 tokens need not be computed again.
    for forward in agree hopper; do
        try "$step" train --shape 7B --bf16-moments --micro-batch 4096 --steps 2 --forward "$forward"
    done
    for forward in agree hopper cublaslt; do try "$step" decode --shape 1.5B --forward "$forward"; done
    try "$step" decode --shape 1.5B --prompt 2048
    for shape in 0.5B 1.5B; do
        try python3 benchmarks/peers/cuda_step.py --shape "$shape"
    done
    return "$failed"
}

# `surefoot.torch` on CUDA tensors: the same bits as on the CPU, and what its copies cost inside of an update.
run_python() {
    local site=$PWD/$folder/site
    compgen -G "$folder/*.whl" >/dev/null || { echo "python: left out, target/cuda has no wheel" >&2 && return; }
    python3 -m pip install --quiet --no-index --no-deps --upgrade --target "$site" "$folder"/*.whl
    PYTHONPATH=$site python3 -m pytest -q -rs -p no:cacheprovider python/tests/test_torch.py
    PYTHONPATH=$site python3 benchmarks/python/torch_step.py --device cuda --rows 16 --length 512
}

# A whole step of 16 prompts with 8 samples of 256 tokens, in turns with TRL and the generation of transformers.
run_rl() {
    local long=(--max-new-tokens 256 --ignore-eos --steps 3)
    [[ -n "${FOLDER:-}" ]] || { echo "rl: left out, FOLDER names no model" >&2 && return; }
    for _ in 1 2; do
        try "$folder/rl_step" --device cuda --model "$FOLDER" --micro-batch 16384 "${long[@]}"
        # Needs torch, transformers, trl, datasets and accelerate.
        try env -C benchmarks/peers python3 trl_step.py "$(realpath "$FOLDER")" --device cuda "${long[@]}"
    done
    return "$failed"
}

# The learning curves: a warm start on GSM8K's solutions, then MHPO and GRPO from there, one after the other.
run_learn() {
    [[ -n "${FOLDER:-}" && -n "${GSM8K_TRAIN:-}" && -n "${GSM8K_TEST:-}" ]] ||
        { echo "learn: left out, FOLDER, GSM8K_TRAIN or GSM8K_TEST is not given" >&2 && return; }
    SUREFOOT=$folder/surefoot PARALLEL=1 WARM_STEPS=${WARM_STEPS:-400} STEPS=${STEPS:-200} \
        benchmarks/learn.sh "$FOLDER" "$GSM8K_TRAIN" "$GSM8K_TEST" "$folder/learn"
}

# Every part, whatever became of the one before; in shells of their own, where `set -e` holds.
everything() {
    for part in test bench python rl learn; do try benchmarks/cuda.sh "$part"; done
    return "$failed"
}

case "${1:-all}" in
build) build ;;
test) libraries && run_tests ;;
bench) libraries && run_benchmarks ;;
python) libraries && run_python ;;
rl) libraries && run_rl ;;
learn) libraries && run_learn ;;
all) everything ;;
*) echo "usage: benchmarks/cuda.sh build|test|bench|python|rl|learn|all" >&2 && exit 2 ;;
esac
