#!/usr/bin/env bash
# commit.sh BRANCH: the commit that IMAGEGEN_COMMIT names (a commit, branch or tag), as the output `sha`. It must be one that origin's BRANCH
# was at: what was never merged there was never approved either. Needs a checkout with the whole history.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

branch=${1:?usage: commit.sh BRANCH}
need IMAGEGEN_COMMIT "set IMAGEGEN_COMMIT to a commit of $branch"
# In full, since a tag may have the name of a branch of origin's.
merged=refs/remotes/origin/$branch
sha=$(git rev-parse --verify --quiet --end-of-options "$IMAGEGEN_COMMIT^{commit}") ||
  sha=$(git rev-parse --verify --quiet "refs/remotes/origin/$IMAGEGEN_COMMIT^{commit}") ||
  fail "IMAGEGEN_COMMIT: expected a commit of $branch, got $IMAGEGEN_COMMIT, which is none of this repository. Fix: git log --first-parent origin/$branch"
# First parents alone: a merged branch may have commits on its way that nobody looked at by themselves.
git rev-list --first-parent "$merged" | grep -x "$sha" >/dev/null ||
  fail "IMAGEGEN_COMMIT: expected a commit that $branch was at, got $sha. Fix: merge it into $branch, or choose one of git log --first-parent origin/$branch"
output sha "$sha"
echo "$sha"
