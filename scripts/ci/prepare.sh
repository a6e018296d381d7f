#!/usr/bin/env bash
# Prepares a job: the packages of the lock file, and the Pulumi CLI where the machine has none.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

npm ci --no-audit --no-fund
if ! command -v pulumi >/dev/null; then
  root=$PWD/.imagegen/pulumi
  node cli/toolchain/pulumi-install.ts "$root"
  export PATH="$root/bin:$PATH"
  if [ -n "${GITHUB_PATH:-}" ]; then printf '%s\n' "$root/bin" >>"$GITHUB_PATH"; fi
fi
pulumi version
