#!/usr/bin/env bash
# gitlab.sh [PACKAGE …]: prepares a job on GitLab, which runs in a container: Debian packages that its image lacks and GitHub's machines have,
# and where the job has a token for AWS (AWS_ID_TOKEN), the file AWS_WEB_IDENTITY_TOKEN_FILE, by which AWS's tools take the role AWS_ROLE_ARN.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

if [ $# -gt 0 ]; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "$@"
fi
if [ -n "${AWS_ID_TOKEN:-}" ]; then
  need AWS_WEB_IDENTITY_TOKEN_FILE "set AWS_WEB_IDENTITY_TOKEN_FILE to a path, say /tmp/aws-id-token"
  need AWS_ROLE_ARN "set the variable AWS_ROLE_ARN of the job's environment, as the output ciCommands of the stack ci has it"
  (umask 077 && printf '%s' "$AWS_ID_TOKEN" >"$AWS_WEB_IDENTITY_TOKEN_FILE")
fi
