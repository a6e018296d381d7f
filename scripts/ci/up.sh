#!/usr/bin/env bash
# Updates the stack, with the policy pack in force. It succeeds when the service has made a picture, and fails with the reason
# otherwise. Nothing is retried: the next run continues where this one ended.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need_stack
ask_pulumi up --yes --policy-pack policy --suppress-progress
