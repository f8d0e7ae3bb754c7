#!/usr/bin/env bash
# The measurements of docs/performance.md, on a machine that does nothing else (about 10 minutes on 2 cores).
# Usage: benchmarks/performance.sh [FOLDER]   writes text and the plot there; default: benchmarks/out
set -euo pipefail
out=${1:-benchmarks/out}
mkdir -p "$out"
: >"$out/training.txt"
for architecture in diagonal-bilstm row-lstm; do
    for sizes in "16 16" "16 64" "64 16"; do
        read -r hidden batch <<<"$sizes"
        pixelrnn bench --architecture "$architecture" --hidden "$hidden" --batch "$batch" --runs 7 \
            | tee -a "$out/training.txt"
    done
done
pixelrnn bench --batch 64 | tee "$out/sampling.txt"
pixelrnn bench --batch 32 --channels 3 --side 32 --levels 256 --hidden 48 --runs 3 --no-memory | tee "$out/colour.txt"
pixelrnn bench --architecture diagonal-bilstm --no-memory --growth "$out/speed-diagonal-bilstm.png" --json >"$out/growth.json"
