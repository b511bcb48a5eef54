#!/usr/bin/env bash
# Everything about a GPU in one command: the tests that need one, then the benchmarks, then PyTorch's for comparison.
#
#   benchmarks/cuda.sh build            # on the machine with cargo: fills target/cuda (programs, golden models)
#   benchmarks/cuda.sh test|bench|all   # on the machine with the GPU: needs the driver, CUDA's libraries and target/cuda
#
# CUDA's libraries are found in LD_LIBRARY_PATH, in the folder that CUDA_LIBRARIES names, or among the wheels of `python3`.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=target/cuda

build() {
    rm -rf "$folder" && mkdir -p "$folder"
    cargo build --release -p surefoot -p surefoot-benchmarks --locked
    cp target/release/surefoot target/release/cuda_step "$folder"
    local tests
    tests=$(cargo test --profile release -p surefoot-engine --lib --locked --no-run --message-format=json |
        python3 -c 'import json,sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["kind"] == ["lib"]: print(message["executable"])')
    cp "$tests" "$folder/engine-tests"
    strip "$folder"/*
    cp -r golden/models "$folder/models"
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

run_benchmarks() {
    local step=$folder/cuda_step
    "$step" peak
    for shape in 0.5B 1.5B; do
        "$step" train --shape "$shape"
        "$step" train --shape "$shape" --forward cublaslt
        "$step" train --shape "$shape" --forward hopper || echo "no kernels for Hopper on this GPU" >&2
    done
    "$step" train --shape 7B --recompute --bf16-moments --micro-batch 8192 --steps 2
    "$step" decode --shape 1.5B
    "$step" decode --shape 1.5B --forward cublaslt
    for shape in 0.5B 1.5B; do
        python3 benchmarks/peers/cuda_step.py --shape "$shape" || echo "PyTorch's side needs torch and transformers" >&2
    done
}

case "${1:-all}" in
build) build ;;
test) libraries && run_tests ;;
bench) libraries && run_benchmarks ;;
all) libraries && run_tests && run_benchmarks ;;
*) echo "usage: benchmarks/cuda.sh build|test|bench|all" >&2 && exit 2 ;;
esac
