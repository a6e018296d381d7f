#!/usr/bin/env bash
# Fills the mirror IMAGEGEN_MIRROR (s3://<bucket>/<prefix>, or a folder) with the model IMAGEGEN_MODEL: downloads it from the Hub, verifies it and
# exports all of it, its manifest last. Installs what a download takes, and no torch. HF_TOKEN is for gated models. What a service has besides
# comes along: IMAGEGEN_LORAS, IMAGEGEN_VAE_ID and IMAGEGEN_SAFETY_CHECKER, as the keys loras, vaeId and safetyChecker name them.
# Its arguments are passed on to the program that copies: --json, say.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need IMAGEGEN_MODEL "set IMAGEGEN_MODEL to a model's id, say to stabilityai/stable-diffusion-xl-base-1.0"
need IMAGEGEN_MIRROR "set the variable IMAGEGEN_MIRROR of the repository, say to s3://<bucket>/<prefix>"
[[ "$IMAGEGEN_MODEL" =~ ^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*(/[^[:space:]]+\.safetensors)?$ ]] ||
  fail "IMAGEGEN_MODEL: expected <organisation>/<name>, got \"$IMAGEGEN_MODEL\". Fix: set it to a model's id on the Hub"
revision=()
if [ -n "${IMAGEGEN_REVISION:-}" ]; then revision=(--revision "$IMAGEGEN_REVISION"); fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# What model_cache imports, with what that needs: of the image's lock, by its hashes.
packages=" anyio blake3 certifi h11 httpcore2 httpx2 idna obstore truststore typing-extensions "
awk -v packages="$packages" '/^[a-z0-9]/ { split($1, name, "=="); kept = index(packages, " " name[1] " ") } kept' \
  image-gen/requirements.lock >"$work/requirements.lock"
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
  --requirement "$work/requirements.lock"

cd image-gen
export MODEL_ID=$IMAGEGEN_MODEL VAE_ID=${IMAGEGEN_VAE_ID:-} IMAGE_GEN_SAFETY_CHECKER=${IMAGEGEN_SAFETY_CHECKER:-}
IMAGE_GEN_LORAS=${IMAGEGEN_LORAS:-} HF_HOME=$work/huggingface PYTHONPATH=src "$work/venv/bin/python" -m image_gen mirror --model "$IMAGEGEN_MODEL" "${revision[@]}" \
  --output "$IMAGEGEN_MIRROR" "$@"
