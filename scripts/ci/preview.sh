#!/usr/bin/env bash
# preview.sh FILE: what an update of the stack would do, with the policy pack in force, and what it would cost, as Markdown in FILE.
# Builds nothing and changes nothing. Asks a copy of the stack's state without secrets. Ends as the preview does.
# IMAGEGEN_BASE is a checkout of what the change is made to: the cost before it is of that one's plan.
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
plan_json . "$work/after.json" --stack "$IMAGEGEN_STACK" --offline
if [ -n "${IMAGEGEN_BASE:-}" ]; then plan_json "$IMAGEGEN_BASE" "$work/before.json" --stack "$IMAGEGEN_STACK" --offline; fi

mkdir "$work/backend"
# There is no secret to guard.
export PULUMI_BACKEND_URL="file://$work/backend" PULUMI_CONFIG_PASSPHRASE=preview
node scripts/preview/open.ts "$IMAGEGEN_STACK" "$work/state.json" "$work"
code=0
# The log of events is an option for developers of the CLI; Pulumi's own SDK uses it.
PULUMI_DEBUG_COMMANDS=true ask_pulumi preview --config-file "$work/Pulumi.$IMAGEGEN_STACK.yaml" --policy-pack policy --diff \
  --event-log "$work/events" >"$work/log" 2>&1 || code=$?
cat "$work/log"
node scripts/report/comment.ts "$IMAGEGEN_STACK" "$code" "$work" >"$file"
exit "$code"
