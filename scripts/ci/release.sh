#!/usr/bin/env bash
# release.sh [FOLDER]: drafts a GitHub release of the tag IMAGEGEN_TAG, with the files in FOLDER. Its notes are the changelog's section of that version, which must be the version in
# package.json. Publishes nothing, and leaves an existing release of the tag alone.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

files=()
if [ $# -gt 0 ]; then
  files=("$1"/*)
  [ -e "${files[0]}" ] || fail "$1: expected the files of a release, got none. Fix: scripts/ci/package.sh $1"
fi
need IMAGEGEN_TAG "set IMAGEGEN_TAG to a tag such as v0.2.0"
version=$(sed -n 's/^  "version": "\(.*\)",$/\1/p' package.json)
[ "$IMAGEGEN_TAG" = "v$version" ] ||
  fail "IMAGEGEN_TAG: expected v$version, the version in package.json, got $IMAGEGEN_TAG. Fix: git tag v$version"

notes=$(mktemp)
trap 'rm -f "$notes"' EXIT
# From the version's heading to the next one.
awk -v version="$version" '/^## / { inside = ($2 == version || $2 == "[" version "]"); next } inside' CHANGELOG.md >"$notes"
grep -q '[^[:space:]]' "$notes" ||
  fail "CHANGELOG.md: expected a section ## $version, got none. Fix: move the entries of Unreleased below ## $version - $(date +%F)"
gh release create "$IMAGEGEN_TAG" "${files[@]}" --draft --verify-tag --title "$IMAGEGEN_TAG" --notes-file "$notes"
