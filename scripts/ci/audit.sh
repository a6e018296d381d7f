#!/usr/bin/env bash
# Looks for known vulnerabilities of what is locked: npm's packages, and the image's Python packages.
# Both are looked for, whatever the first one finds. Needs pipx, which GitHub's machines have.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

found=0
npm audit || found=1
pipx run --spec pip-audit==2.10.1 pip-audit --requirement image-gen/requirements.lock --require-hashes --disable-pip \
  --strict --progress-spinner off || found=1
[ "$found" = 0 ] || fail "A package that is locked has a known vulnerability, or could not be looked up. Fix: the versions above, by the table of CONTRIBUTING.md"
