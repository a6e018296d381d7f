#!/usr/bin/env bash
# test.sh [--quick|--slow] [SUITE …]: tests of these suites, both parts unless one is asked for. The last line counts, and
# what was left out is named.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

node cli/bootstrap.mjs test/run.ts "$@"
