#!/usr/bin/env bash
# Installs the emulator of the host suite and builds the disk image of its virtual machine, unless that is there.
set -euo pipefail
# shellcheck source=scripts/ci/common.sh
source "$(dirname "$0")/common.sh"

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo env "PATH=$PATH"); fi
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends \
  qemu-system-x86 qemu-utils mmdebstrap xfsprogs fdisk lz4 genisoimage
# The image's files belong to root; to read them is enough for the tests.
"${as_root[@]}" node -e 'import("./test/support/vm/image.ts").then(({ testImage }) => testImage())'
