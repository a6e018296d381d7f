#!/usr/bin/env bash
# space.sh GIGABYTES: room for a build on Docker's disk. On a runner of GitHub's, toolchains that no job here uses are deleted; on
# any other machine nothing is. Fails when there is less room than asked for.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

needed=${1:?usage: space.sh GIGABYTES}
unused=(/usr/local/lib/android /usr/share/dotnet /usr/share/swift /usr/local/.ghcup /opt/ghc /opt/hostedtoolcache/CodeQL)
if [ "${RUNNER_ENVIRONMENT:-}" = github-hosted ]; then sudo rm -rf "${unused[@]}"; fi
root=$(docker info --format '{{.DockerRootDir}}')
free=$(df --output=avail --block-size=GB "$root" | tail -n 1 | tr -dc 0-9)
[ "$free" -ge "$needed" ] ||
  fail "Docker's disk at $root: expected $needed GB free, got $free. Fix: docker system prune --all, or a runner with a larger disk (runs-on)"
echo "$free GB free at $root"
