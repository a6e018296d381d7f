#!/usr/bin/env bash
# Every linter, formatter and type checker.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

# The linter of the workflows, where the machine has Go and not the linter.
if ! command -v actionlint >/dev/null && command -v go >/dev/null; then
  GOBIN=$PWD/.imagegen/tools/bin go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
  export PATH="$PWD/.imagegen/tools/bin:$PATH"
fi
npm run --silent check
