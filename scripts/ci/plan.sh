#!/usr/bin/env bash
# plan.sh [STACK …]: what each stack of stacks/ would be by this checkout, and what that costs a month, as Markdown in $GITHUB_STEP_SUMMARY.
# Asks nobody and takes no credentials. Fails, after all stacks, when one has no plan. IMAGEGEN_BASE is a checkout of what the change is
# made to: the cost before it is of that one's plan.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stacks=("$@")
if [ $# -eq 0 ]; then
  for path in stacks/Pulumi.*.yaml; do
    path=${path#stacks/Pulumi.}
    stacks+=("${path%.yaml}")
  done
fi
failed=()
for stack in "${stacks[@]}"; do
  path=stacks/Pulumi.$stack.yaml
  options=(--stack "$stack" --offline)
  # Whose jobs may take its roles is not in the repository.
  if grep -q ':target: ci$' "$path" && ! grep -q ':repository:' "$path"; then
    options+=(--config "repository=${GITHUB_REPOSITORY:-organisation/name}")
  fi
  rm -f "$work"/*
  npm run --silent imagegen -- plan "${options[@]}" >"$work/plan" 2>&1 || failed+=("$stack")
  plan_json . "$work/after.json" "${options[@]}"
  if [ -e "${IMAGEGEN_BASE:-}/$path" ]; then plan_json "$IMAGEGEN_BASE" "$work/before.json" "${options[@]}"; fi
  node scripts/report/plan.ts "$stack" "$work" | tee -a "${GITHUB_STEP_SUMMARY:-/dev/null}"
done
if [ ${#failed[@]} -gt 0 ]; then fail "no plan of these stacks: ${failed[*]}. Fix: npm run imagegen -- plan --stack <stack> --offline"; fi
