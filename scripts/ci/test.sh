#!/usr/bin/env bash
# Every ring of tests that this machine can run; the last line counts, and what was left out is named.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

npm test --silent
