#!/usr/bin/env bash
# preview.sh FILE: what an update of the stack would do, with the policy pack in force, as Markdown in FILE.
# Builds nothing and changes nothing. Asks a copy of the stack's state without secrets. Ends as the preview does.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

file=${1:?usage: preview.sh FILE}
need IMAGEGEN_STACK "set the variable IMAGEGEN_STACK of the repository, say to aws-volume"
need_preview_state
mkdir -p "$(dirname "$file")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aws s3 cp --only-show-errors "$IMAGEGEN_PREVIEW_STATE/$IMAGEGEN_STACK.json" "$work/state.json" ||
  fail "$IMAGEGEN_STACK: expected a copy of its state at $IMAGEGEN_PREVIEW_STATE, got none. Fix: scripts/ci/redact.sh, which the workflow deploy runs"
mkdir "$work/backend"
# There is no secret to guard.
export PULUMI_BACKEND_URL="file://$work/backend" PULUMI_CONFIG_PASSPHRASE=preview
node scripts/preview/open.ts "$IMAGEGEN_STACK" "$work/state.json" "$work"
log=$work/log
code=0
ask_pulumi preview --config-file "$work/Pulumi.$IMAGEGEN_STACK.yaml" --policy-pack policy --diff >"$log" 2>&1 || code=$?
if [ "$code" -eq 0 ]; then title="What \`pulumi up\` would do to $IMAGEGEN_STACK"; else title="\`pulumi preview\` of $IMAGEGEN_STACK failed"; fi
report "$title" "$log" >"$file"
cat "$log"
exit "$code"
