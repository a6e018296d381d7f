#!/usr/bin/env bash
# test.sh [--quick|--slow] [RING …]: tests of these rings, both parts unless one is asked for. The last line counts, and
# what was left out is named.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

node cli/bootstrap.mjs test/run.ts "$@"
