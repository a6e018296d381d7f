#!/usr/bin/env bash
# Makes the disk image of the test machine: Debian with systemd, cloud-init, xfsprogs, docker and a registry,
# and the kernel beside it. Usage: build-image.sh <directory>. Needs root, mmdebstrap, fdisk, e2fsprogs, lz4.
# Goes out: <directory>/root.img (GPT, one ext4 partition) and <directory>/vmlinux (boots without a boot loader).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1
root=$out/root
packages=(
  systemd-sysv udev dbus linux-image-cloud-amd64 kmod iproute2 procps
  cloud-init python3-cffi-backend curl xfsprogs e2fsprogs fdisk
  docker.io docker-registry iptables ca-certificates busybox-static
)

# What the machine would start for a person or a package manager, and what only costs it seconds.
masked=(
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
  getty@tty1.service getty@.service serial-getty@.service systemd-logind.service systemd-user-sessions.service
  systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-pstore.service
  systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service
  ldconfig.service systemd-machine-id-commit.service systemd-network-generator.service
  sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount
  proc-sys-fs-binfmt_misc.automount systemd-binfmt.service rsyslog.service cloud-init-hotplugd.socket
  modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service
  modprobe@dm_mod.service modprobe@fuse.service modprobe@loop.service
  docker-registry.service
)

install_system() {
  local sources
  for sources in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do [ -s "$sources" ] && break; done
  local included
  included=$(IFS=,; echo "${packages[*]}")
  mmdebstrap --quiet --mode=root --variant=minbase --format=directory --include="$included" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    bookworm "$root" "$sources"
}

configure_system() {
  local unit
  for unit in "${masked[@]}"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
  # Else systemd asks it at each `systemctl enable docker`, for eight seconds on an emulated processor.
  rm "$root/etc/init.d/docker"
  echo host >"$root/etc/hostname"
  : >"$root/etc/machine-id"
  echo 'PARTLABEL=root / ext4 defaults,noatime 0 0' >"$root/etc/fstab"
  # There is no initrd: what is not built into the kernel and is needed early is named here.
  printf '%s\n' virtio_pci virtio_blk virtio_console isofs >"$root/etc/modules-load.d/test-machine.conf"
  mkdir -p "$root/etc/systemd/system/cloud-init-local.service.d"
  printf '[Unit]\nAfter=systemd-modules-load.service\n' \
    >"$root/etc/systemd/system/cloud-init-local.service.d/modules.conf"
  cp "$here/guest/cloud.cfg" "$root/etc/cloud/cloud.cfg.d/90-test-machine.cfg"
  cp "$here/guest/ebs.rules" "$root/etc/udev/rules.d/61-test-machine-ebs.rules"
  sed -i 's/^#\?Storage=.*/Storage=volatile/' "$root/etc/systemd/journald.conf"
  # The agent that the tests talk to, and what they bring along, on disks of their own.
  install -D -m 755 "$here/guest/agent" "$root/opt/test/agent"
  install -D -m 755 "$here/guest/bring-in" "$root/opt/test/bring-in"
  cp "$here"/guest/test-*.service "$root/etc/systemd/system/"
  mkdir -p "$root/etc/systemd/system/basic.target.wants" "$root/etc/systemd/system/sysinit.target.wants"
  ln -s ../test-agent.service "$root/etc/systemd/system/basic.target.wants/"
  ln -s ../test-bring-in.service "$root/etc/systemd/system/sysinit.target.wants/"
}

# A bzImage's header says where its payload lies; the payload is the ELF kernel, packed by lz4.
unpack_kernel() {
  python3 - "$root"/boot/vmlinuz-*-cloud-amd64 "$out/kernel.lz4" <<'PYTHON'
import struct, sys
image = open(sys.argv[1], "rb").read()
start = (image[0x1F1] + 1) * 512
offset, length = struct.unpack_from("<II", image, 0x248)
open(sys.argv[2], "wb").write(image[start + offset : start + offset + length - 4])
PYTHON
  lz4 -dcf "$out/kernel.lz4" >"$out/vmlinux"
  rm "$out/kernel.lz4"
  rm -f "$root"/boot/initrd* "$root"/boot/vmlinuz* "$root"/initrd.img* "$root"/vmlinuz*
}

make_disk() {
  truncate -s 4G "$out/root.img"
  printf 'label: gpt\nstart=2048, size=8384512, name=root\n' | sfdisk -q "$out/root.img"
  mke2fs -q -t ext4 -d "$root" -E offset=1048576,lazy_itable_init=0 -O ^has_journal "$out/root.img" 4192256k
  rm -rf "$root"
}

install_system
configure_system
unpack_kernel
make_disk
