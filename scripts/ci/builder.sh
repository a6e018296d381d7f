#!/usr/bin/env bash
# A BuildKit that can push zstd layers and attestations: the one inside Docker can't. It is the current one afterwards.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

name=${IMAGEGEN_BUILDER:-imagegen}
context=()
# Of a daemon that is reached by TLS and named by variables, as GitLab's is, buildx makes a builder from a context alone.
if [ -n "${DOCKER_TLS_VERIFY:-}" ]; then
  docker context inspect "$name" >/dev/null 2>&1 || docker context create "$name" >/dev/null
  context=("$name")
fi
docker buildx inspect "$name" >/dev/null 2>&1 ||
  docker buildx create --name "$name" --driver docker-container "${context[@]}" >/dev/null
docker buildx use "$name"
docker buildx inspect --bootstrap "$name"
