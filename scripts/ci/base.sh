#!/usr/bin/env bash
# base.sh FOLDER: a checkout of the commit IMAGEGEN_BASE_COMMIT in FOLDER, which a preview compares its cost with. The commit must be there.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

folder=${1:?usage: base.sh FOLDER}
need IMAGEGEN_BASE_COMMIT "set IMAGEGEN_BASE_COMMIT to the commit that the change is made to"
git worktree add --quiet --force --detach "$folder" "$IMAGEGEN_BASE_COMMIT"
