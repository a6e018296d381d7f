#!/usr/bin/env bash
# bench.sh tiny|full: the benches that this machine can run, one after another. A bar that is missed ends it with 1, after the others.
# `tiny` takes minutes, and leaves out those that say nothing of a few megabytes; `full` needs 24 GB of disk beside the image and its build cache (15 GB), and root for backup.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

failed=""
bench() {
  echo "bench:$*"
  npm run --silent "bench:$1" -- "${@:2}" || failed+=" $1"
}

case "${1:-}" in
tiny)
  bench fetch --megabytes 200 --rates 50 --kills 5
  bench startup --sizes tiny --rates 0 --rounds 3
  bench pictures
  bench pictures --options --out options.json
  bench page --loads 10
  bench workers --workers 1 2
  bench fleet --days 3
  ;;
full)
  bench fetch
  bench startup --sizes full
  bench pictures --rounds 200
  bench pictures --options --rounds 60 --out options.json
  bench pictures --costs 100 --out costs.json
  bench page --loads 20
  bench fleet
  bench room
  bench verify
  bench workers
  sudo --preserve-env env "PATH=$PATH" npm run --silent bench:backup -- --size 1 || failed+=" backup"
  ;;
*)
  echo "bench.sh: expected tiny or full, got ${1:-nothing}. Fix: scripts/ci/bench.sh tiny" >&2
  exit 2
  ;;
esac

if [ -n "$failed" ]; then
  fail "benches that missed a bar, or did not run:$failed"
fi
