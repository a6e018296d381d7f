#!/usr/bin/env bash
# Whether every job that this one waited for succeeded: IMAGEGEN_RESULTS has their results, and one that was left out did not.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

need IMAGEGEN_RESULTS "set IMAGEGEN_RESULTS to the jobs' results, say to success"
for result in $IMAGEGEN_RESULTS; do
  [ "$result" = success ] || fail "A job of this workflow ended with $result. Fix: what that job printed"
done
echo "All jobs succeeded."
