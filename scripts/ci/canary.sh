#!/usr/bin/env bash
# canary.sh up|picture|destroy: makes the stack IMAGEGEN_CANARY_STACK from nothing, asks it for a picture, and destroys it with all that it
# made. `destroy` is to run however the others ended. A stack that an earlier run left is destroyed before one is made.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

usage="usage: canary.sh up|picture|destroy"
step=${1:?$usage}
need IMAGEGEN_CANARY_STACK "set the variable IMAGEGEN_CANARY_STACK of the repository, say to canary"
need PULUMI_BACKEND_URL "set the variable PULUMI_BACKEND_URL of the environment canary, say to s3://<bucket>"
[ "$IMAGEGEN_CANARY_STACK" != "${IMAGEGEN_STACK:-}" ] ||
  fail "IMAGEGEN_CANARY_STACK: expected another stack than IMAGEGEN_STACK, got $IMAGEGEN_STACK, which would be destroyed. Fix: set it to canary"
IMAGEGEN_STACK=$IMAGEGEN_CANARY_STACK
file=stacks/Pulumi.$IMAGEGEN_STACK.yaml
[ -e "$file" ] || fail "$file: expected the canary's config, got no file. Fix: set IMAGEGEN_CANARY_STACK to canary"
# Whoever names a stack that is to stay has mistyped: nothing of that one is touched.
if grep -q ':target: aws$' "$file" && ! grep -q ':onDestroy: delete$' "$file"; then
  fail "$file: expected onDestroy delete, as a canary leaves nothing, got a stack that keeps its volume. Fix: set IMAGEGEN_CANARY_STACK to canary"
fi
if grep -q ':target: fleet$' "$file"; then
  fail "$file: expected target aws, as a canary is one host, got target fleet. Fix: set IMAGEGEN_CANARY_STACK to canary"
fi

# Else a state that can't be read would pass for one without the stack.
pulumi stack ls --json >/dev/null || fail "$PULUMI_BACKEND_URL: the state could not be read. Fix: what is printed above"

# What runs the other steps ends them by killing, after which nothing is said: each has a limit of its own before that.
limited() {
  local limit=$1 grace=$2 command=$3
  shift 3
  timeout --signal=INT --kill-after="$grace" "$limit" \
    pulumi "$command" --stack "$IMAGEGEN_STACK" --non-interactive --color never --yes --suppress-progress "$@"
}

# An update that was killed leaves its lock. No other one can run: the workflow has one canary at a time.
destroy() {
  ask_pulumi cancel --yes || true
  if ! limited 30m 2m destroy || ! pulumi stack rm "$IMAGEGEN_STACK" --yes --non-interactive --preserve-config; then
    fail "$IMAGEGEN_STACK: could not be destroyed, and costs money until it is. Fix: run the workflow canary again, which begins with that, or: pulumi destroy --stack $IMAGEGEN_STACK"
  fi
}

case "$step" in
up)
  need IMAGEGEN_SECRETS_PROVIDER "set the variable IMAGEGEN_SECRETS_PROVIDER of the environment canary to the output secretsProvider of the stack ci"
  if has_stack "$IMAGEGEN_STACK"; then
    echo "$IMAGEGEN_STACK: an earlier run left a stack, which is destroyed first."
    destroy
  fi
  pulumi stack init "$IMAGEGEN_STACK" --secrets-provider "$IMAGEGEN_SECRETS_PROVIDER" --non-interactive
  # Without the policy pack, which refuses a volume that is deleted with its stack.
  limited 90m 10m up
  ;;
picture)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  picture=$work/picture.png
  npm run --silent imagegen -- picture "a lighthouse in fog" --stack "$IMAGEGEN_STACK" --seed 7 --output "$picture"
  [ "$(head -c 8 "$picture" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] ||
    fail "The picture: expected a PNG, got another file. Fix: npm run imagegen -- logs --stack $IMAGEGEN_STACK"
  ;;
destroy)
  if has_stack "$IMAGEGEN_STACK"; then destroy; else echo "$IMAGEGEN_STACK: there is no stack to destroy."; fi
  ;;
*)
  echo "$usage" >&2
  exit 2
  ;;
esac
