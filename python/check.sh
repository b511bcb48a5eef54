#!/usr/bin/env bash
# Builds the wheel, checks that its stubs are true, and runs the Python tests, in an environment of its own under target/ that also
# sees the packages of python3. Tests of a framework that is not there say so; `check.sh torch trl` installs extras of
# pyproject.toml first (PyTorch with CUDA's libraries is several GB, so CI does not).
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD/target/python
venv=$root/venv
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
[[ -x "$venv/bin/python" ]] || python3 -m venv --system-site-packages "$venv"
export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv
if ! command -v maturin >/dev/null; then
    python -m pip install --quiet --retries 2 "maturin>=1.16,<2" || {
        echo "maturin could not be installed with pip; the Python package is neither built nor tested" >&2
        exit 0
    }
fi

python/stubs.sh --check
rm -rf "$root/wheels"
# The features of the stubs' build, so that nothing is compiled twice.
maturin build --quiet --locked --features stubs --manifest-path python/Cargo.toml --out "$root/wheels"
extras=$(IFS=,; echo "test${*:+,$*}")
python -m pip install --quiet --retries 2 --force-reinstall --no-deps "$root"/wheels/*.whl
python -m pip install --quiet --retries 2 "$(echo "$root"/wheels/*.whl)[$extras]" || {
    echo "the Python tests' requirements could not be installed with pip; the tests are not run" >&2
    exit 0
}
python -m ruff check --quiet --config python/pyproject.toml python benchmarks/python
python -m ruff format --quiet --check --config python/pyproject.toml python benchmarks/python
(cd python && python -m mypy --no-error-summary --cache-dir "$root/mypy")
# From the wheel, not from the sources beside the tests.
python -m pytest -q -rs -p no:cacheprovider python/tests
