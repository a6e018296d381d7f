#!/usr/bin/env bash
# What the scripts of the workflows share. In: environment variables and the checkout. Out: functions; nothing runs by
# itself. A script never shows a secret, and works the same on anybody's machine.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

# fail MESSAGE [CODE]: a message that GitHub shows beside the job, and anybody else on stderr.
fail() {
  if [ -n "${GITHUB_ACTIONS:-}" ]; then printf '::error::%s\n' "$1"; else printf '%s\n' "$1" >&2; fi
  exit "${2:-1}"
}

# output NAME VALUE: an output of the step, where GitHub runs it. The last line of a value can't be guessed.
output() {
  [ -n "${GITHUB_OUTPUT:-}" ] || return 0
  local end
  end=end-$(od -An -N16 -tx1 /dev/urandom | tr -dc 0-9a-f)
  printf '%s<<%s\n%s\n%s\n' "$1" "$end" "$2" "$end" >>"$GITHUB_OUTPUT"
}

# need NAME HINT: the variable must be there. Its value is not shown.
need() { [ -n "${!1:-}" ] || fail "$1: expected a value, got nothing. Fix: $2"; }

# has_stack NAME: whether the state has it.
has_stack() {
  local stacks
  # Not in one pipe: a grep that has found the name ends before pulumi has written all, which would fail the pipe.
  stacks=$(pulumi stack ls --json 2>/dev/null) || return 1
  grep -q "\"name\": *\"\(organization/[^\"]*/\)\?$1\"" <<<"$stacks"
}

# The stack must exist: a workflow that created one would deploy a second stack for a misspelt name.
need_stack() {
  need IMAGEGEN_STACK "set the variable IMAGEGEN_STACK of the repository, say to aws-volume"
  need PULUMI_BACKEND_URL "set the variable PULUMI_BACKEND_URL of the repository, say to s3://<bucket>"
  has_stack "$IMAGEGEN_STACK" ||
    fail "IMAGEGEN_STACK: expected a stack of this state, got $IMAGEGEN_STACK. Fix: pulumi stack init $IMAGEGEN_STACK"
}

# Where the copy of the stack's state without secrets is, which previews read.
need_preview_state() {
  need IMAGEGEN_PREVIEW_STATE "set the variable IMAGEGEN_PREVIEW_STATE of the repository, say to s3://<bucket>/previews"
}

# Everything that Pulumi is asked by a workflow: no question, no colour, no moving lines, the policy pack in force.
ask_pulumi() {
  local command=$1
  shift
  pulumi "$command" --stack "$IMAGEGEN_STACK" --non-interactive --color never "$@"
}

# plan_json CHECKOUT FILE OPTION …: a stack's plan by the code and config of a checkout. No FILE where it fails, which is said on stderr.
plan_json() {
  (cd "$1" && npm run --silent imagegen -- plan "${@:3}" --json) >"$2" || rm -f "$2"
}

# report TITLE FILE: the end of a text for people, as Markdown; GitHub takes 65 536 characters, and the end says most.
report() {
  local text
  text=$(tail -c 60000 "$2")
  # Four backticks, since the text may have three.
  local fence='````'
  printf '### %s\n\n%stext\n%s\n%s\n' "$1" "$fence" "$text" "$fence"
}
