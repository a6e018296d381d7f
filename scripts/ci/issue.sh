#!/usr/bin/env bash
# Keeps one open issue of the stack's drift: opened when drift is found, given the newest differences while it is open, closed when none is
# found. IMAGEGEN_DRIFT is `drift` or `none`; IMAGEGEN_DRIFT_REPORT says what differs, without values.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need IMAGEGEN_STACK "set the variable IMAGEGEN_STACK of the repository, say to aws-volume"
need IMAGEGEN_DRIFT "set IMAGEGEN_DRIFT to drift or none, as scripts/ci/drift.sh found it"
run=${GITHUB_SERVER_URL:-https://github.com}/${GITHUB_REPOSITORY:?}/actions/runs/${GITHUB_RUN_ID:?}
issues=repos/$GITHUB_REPOSITORY/issues
title="Drift of $IMAGEGEN_STACK"

# Of the issues that a workflow opened, the oldest: anybody may open one with the same title.
number=$(gh api --paginate "$issues?state=open&per_page=100" --jq '.[] | [.number, .user.login, .title] | @tsv' |
  awk -F '\t' -v title="$title" '$2 == "github-actions[bot]" && $3 == title && (!number || $1 < number) { number = $1 } END { print number }')

case "$IMAGEGEN_DRIFT" in
drift)
  body=$(mktemp)
  trap 'rm -f "$body"' EXIT
  # GitHub drops an output that has a secret of the job in it.
  cat >"$body" <<EOF
The stack \`$IMAGEGEN_STACK\` is not what its code and its state say. Found by [this run]($run), at ${GITHUB_SHA:-the checkout}.

${IMAGEGEN_DRIFT_REPORT:-What differs is in the summary of the run.}

Values are in the summary of the run. To keep a change, change the code; to undo it: \`pulumi up --refresh --stack $IMAGEGEN_STACK\`.
Later runs write their differences here, and close the issue when they find none.
EOF
  if [ -n "$number" ]; then
    gh api --silent --method PATCH "$issues/$number" --field "body=@$body"
    echo "Issue $number has the differences of this run."
  else
    gh api --silent --method POST "$issues" --raw-field "title=$title" --field "body=@$body"
    echo "An issue was opened: $title."
  fi
  ;;
none)
  if [ -z "$number" ]; then
    echo "There is no drift, and no open issue of one."
    exit
  fi
  gh api --silent --method POST "$issues/$number/comments" --raw-field "body=[This run]($run) found no differences."
  gh api --silent --method PATCH "$issues/$number" --raw-field state=closed --raw-field state_reason=completed
  echo "Issue $number was closed."
  ;;
*)
  fail "IMAGEGEN_DRIFT: expected drift or none, got $IMAGEGEN_DRIFT. Fix: scripts/ci/drift.sh"
  ;;
esac
