#!/usr/bin/env bash
# A BuildKit that can push zstd layers and attestations: the one inside Docker can't. It is the current one afterwards.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

name=${IMAGEGEN_BUILDER:-imagegen}
docker buildx inspect "$name" >/dev/null 2>&1 || docker buildx create --name "$name" --driver docker-container >/dev/null
docker buildx use "$name"
docker buildx inspect --bootstrap "$name"
