#!/usr/bin/env bash
# package.sh FOLDER: what a release has, in FOLDER: the package's tarball, the list of the npm packages that it installs (CycloneDX), and
# SHA256SUMS of both. Pulumi's SDKs are peers, which the project that installs the package chooses: they are not in the list.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

folder=${1:?usage: package.sh FOLDER}
mkdir -p "$folder"
[ -z "$(ls -A "$folder")" ] || fail "$folder: expected an empty folder, got one with files. Fix: rm -r $folder"
npm pack --silent --pack-destination "$folder"
cd "$folder"
tarball=$(ls -- *.tgz)
npm --prefix "$OLDPWD" sbom --package-lock-only --sbom-format cyclonedx --sbom-type library |
  node "$OLDPWD/scripts/library/sbom.ts" >"${tarball%.tgz}.cdx.json"
sha256sum -- "$tarball" "${tarball%.tgz}.cdx.json" >SHA256SUMS
