#!/usr/bin/env bash
# Asks whether the stack is what the state says, and whether the state is what the code says. Changes neither.
# Exit code 1 when one of them is not, with what differs in $GITHUB_STEP_SUMMARY.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need_stack
log=$(mktemp)
trap 'rm -f "$log"' EXIT
drifted=()
ask() {
  local what=$1
  shift
  if ask_pulumi "$@" --expect-no-changes --diff >"$log" 2>&1; then return; fi
  drifted+=("$what")
  cat "$log"
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then report "$IMAGEGEN_STACK: $what" "$log" >>"$GITHUB_STEP_SUMMARY"; fi
}

ask "what is there is not what was deployed" refresh --preview-only
ask "what was deployed is not what the code says" preview
if [ ${#drifted[@]} -gt 0 ]; then
  fail "$(printf '%s: %s. ' "$IMAGEGEN_STACK" "${drifted[0]}")Fix: pulumi refresh, then pulumi up, or undo it by hand"
fi
echo "$IMAGEGEN_STACK: no drift"
