#!/usr/bin/env bash
# comment.sh FILE: puts FILE into the pull request, in place of what this said there before. FILE was written by code that nobody has reviewed
# yet: it is text, and nothing else is done with it.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

file=${1:?usage: comment.sh FILE}
need IMAGEGEN_PULL_REQUEST "set IMAGEGEN_PULL_REQUEST to the pull request's number"
# A link could name any file of this job.
if [ -L "$file" ] || [ ! -f "$file" ] || [ ! -s "$file" ]; then
  fail "$file: expected a report, got nothing. Fix: scripts/ci/preview.sh $file"
fi
# Not shown. Other workflows comment by the same name.
marker="<!-- imagegen-preview -->"
comments=repos/${GITHUB_REPOSITORY:?}/issues
number=$(gh api --paginate "$comments/$IMAGEGEN_PULL_REQUEST/comments?per_page=100" \
  --jq '.[] | [.id, .user.login, (.body | split("\n")[0])] | @tsv' |
  awk -F '\t' -v marker="$marker" '$2 == "github-actions[bot]" && index($3, marker) == 1 && !number { number = $1 } END { print number }')
body=$(mktemp)
trap 'rm -f "$body"' EXIT
{
  printf '%s\n' "$marker"
  cat "$file"
} >"$body"
if [ -n "$number" ]; then
  gh api --silent --method PATCH "$comments/comments/$number" --field "body=@$body"
else
  gh api --silent --method POST "$comments/$IMAGEGEN_PULL_REQUEST/comments" --field "body=@$body"
fi
