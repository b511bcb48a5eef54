#!/bin/sh
# Starts the corpora of the fuzz targets from the rows of ../cases and ../hacks, one text a file.
set -eu
cd "$(dirname "$0")"
for target in extract parse compare; do
    mkdir -p "corpus/$target"
    tail -q -n +2 ../cases/*.tsv ../hacks/*.tsv | cut -f 1,2 | tr '\t' '\n' |
        awk -v folder="corpus/$target" '{ file = sprintf("%s/seed-%05d", folder, NR); print > file; close(file) }'
done
