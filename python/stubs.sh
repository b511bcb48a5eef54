#!/usr/bin/env bash
# Writes surefoot/_surefoot.pyi from what the macros of PyO3 leave in the library; with --check only says whether it is
# out of date. Needs maturin on the path.
set -euo pipefail
cd "$(dirname "$0")"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
maturin generate-stubs --quiet --locked --features stubs --out "$folder"
# The annotations in the sources name modules that the generator does not import, and a dictionary's types cannot be
# given where it is a property.
sed -e 's/^from typing import /import typing\n\nimport numpy as np\nimport numpy.typing as npt\nfrom typing import /' \
    -e 's/-> dict\( | None\)\{0,1\}:$/-> dict[str, Any]\1:/' \
    "$folder/surefoot/_surefoot.pyi" >"$folder/stub"
if [[ "${1:-}" == --check ]]; then
    diff -u surefoot/_surefoot.pyi "$folder/stub" || {
        echo "surefoot/_surefoot.pyi is out of date; write it anew with python/stubs.sh" >&2
        exit 1
    }
else
    cp "$folder/stub" surefoot/_surefoot.pyi
fi
