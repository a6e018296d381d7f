#!/usr/bin/env bash
# Writes a copy of the stack's state for previews, which run unreviewed code: every secret in it is a placeholder.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need_stack
need_preview_state
file=$(mktemp)
trap 'rm -f "$file"' EXIT
node scripts/preview/publish.ts "$IMAGEGEN_STACK" "$file" || fail "$IMAGEGEN_STACK: no copy of its state was written for previews"
aws s3 cp --only-show-errors "$file" "$IMAGEGEN_PREVIEW_STATE/$IMAGEGEN_STACK.json"
