#!/usr/bin/env bash
# preview.sh FILE: what an update of the stack would do, with the policy pack in force, as Markdown in FILE.
# Builds nothing and changes nothing. Ends as the preview does.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

file=${1:?usage: preview.sh FILE}
need_stack
mkdir -p "$(dirname "$file")"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
ask_pulumi preview --policy-pack policy --diff >"$log" 2>&1 || code=$?
if [ "$code" -eq 0 ]; then title="What \`pulumi up\` would do to $IMAGEGEN_STACK"; else title="\`pulumi preview\` of $IMAGEGEN_STACK failed"; fi
report "$title" "$log" >"$file"
cat "$log"
exit "$code"
