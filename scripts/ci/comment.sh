#!/usr/bin/env bash
# comment.sh FILE: puts FILE into the pull request, in place of what this said there before.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

file=${1:?usage: comment.sh FILE}
need IMAGEGEN_PULL_REQUEST "set IMAGEGEN_PULL_REQUEST to the pull request's number"
[ -s "$file" ] || fail "$file: expected a report, got nothing. Fix: scripts/ci/preview.sh $file"
gh pr comment "$IMAGEGEN_PULL_REQUEST" --body-file "$file" --edit-last --create-if-none
