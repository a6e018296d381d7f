#!/usr/bin/env bash
# drift.sh: asks whether the stack is what the state says, and whether the state is what the code says. Changes neither.
# Exit code 1 when one of them is not, with what differs in $GITHUB_STEP_SUMMARY; 2 when a question was not answered.
# $GITHUB_OUTPUT gets `answer` (drift or none, and nothing without an answer), and `report`: what differs, without values.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need_stack
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
drifted=()
ask() {
  local what=$1 question=$2 events=$work/$2.events
  shift
  # The log of events is an option for developers of the CLI; Pulumi's own SDK uses it.
  if PULUMI_DEBUG_COMMANDS=true ask_pulumi "$@" --expect-no-changes --diff --event-log "$events" >"$log" 2>&1; then return; fi
  cat "$log"
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then report "$IMAGEGEN_STACK: $what" "$log" >>"$GITHUB_STEP_SUMMARY"; fi
  if ! node scripts/report/drift.ts "$question" "$events" >>"$work/report.md"; then
    fail "$IMAGEGEN_STACK: pulumi $question ended before it was known whether $what. Fix: what is printed above" 2
  fi
  drifted+=("$what")
}

ask "what is there is not what was deployed" refresh --preview-only
ask "what was deployed is not what the code says" preview
if [ ${#drifted[@]} -gt 0 ]; then
  output answer drift
  output report "$(cat "$work/report.md")"
  fail "$(printf '%s: %s. ' "$IMAGEGEN_STACK" "${drifted[0]}")Fix: pulumi refresh, then pulumi up, or undo it by hand"
fi
output answer none
echo "$IMAGEGEN_STACK: no drift"
