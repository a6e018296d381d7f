#!/usr/bin/env bash
# The tag `v…` that the workflow was started on, as the output `tag`, and its commit as `sha`. It must be GITHUB_SHA still: that is what GitHub
# signs as the commit of what a job makes, whatever the job checked out.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need GITHUB_SHA "run it in a workflow of GitHub's"
name=${GITHUB_REF_NAME:-nothing}
if [ "${GITHUB_REF_TYPE:-}" != tag ] || [[ "$name" != v* ]]; then
  fail "The workflow was started on the ${GITHUB_REF_TYPE:-branch} $name: expected a tag v…. Fix: gh workflow run release.yml --ref v<version>"
fi
sha=$(gh api "repos/${GITHUB_REPOSITORY:?}/commits/tags/$name" --jq .sha) ||
  fail "$name: expected a tag of the repository, got none. Fix: git push origin $name"
[ "$sha" = "$GITHUB_SHA" ] ||
  fail "$name: expected $GITHUB_SHA, which the workflow was started on, got $sha: the tag was moved. Fix: gh workflow run release.yml --ref $name"
output tag "$name"
output sha "$sha"
echo "$name is $sha"
