#!/usr/bin/env bash
# Every linter, formatter and type checker.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

npm run --silent check
