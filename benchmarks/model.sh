#!/usr/bin/env bash
# Makes the model of the reinforcement learning benchmarks: 3.2M parameters, a tokenizer of characters, warm-started on
# sums of two-digit numbers until about a third of its samples are right.
#
#   benchmarks/model.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?usage: benchmarks/model.sh FOLDER}
surefoot=${SUREFOOT:-target/release/surefoot}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/shape"
cp crates/trainer/demo/*token*.json crates/trainer/demo/generation_config.json "$work/shape"
sed -e 's/"hidden_size": [0-9]*/"hidden_size": 256/' -e 's/"intermediate_size": [0-9]*/"intermediate_size": 768/' \
    -e 's/"num_attention_heads": [0-9]*/"num_attention_heads": 8/' -e 's/"num_key_value_heads": [0-9]*/"num_key_value_heads": 4/' \
    -e 's/"max_position_embeddings": [0-9]*/"max_position_embeddings": 1024/' -e 's/bfloat16/float32/' \
    crates/trainer/demo/config.json > "$work/shape/config.json"
"$surefoot" model init "$work/shape" "$work/init" --seed 1
steps=${STEPS:-300}
"$surefoot" sft configs/demo-sft.toml --set "model.path=\"$work/init\"" --set "log.run_dir=\"$work/run\"" \
    --set "train.steps=$steps" --set "checkpoint.every=$steps" --set 'checkpoint.dtype="f32"'
mkdir -p "$folder"
checkpoint=$work/run/checkpoints/step-$steps
cp "$checkpoint"/{config,generation_config,tokenizer,tokenizer_config}.json "$checkpoint/model.safetensors" "$folder"
"$surefoot" model info "$folder"
