#!/usr/bin/env bash
# Makes a small Debian image with Python, for machines that reach Debian's packages but no container registry.
# Usage: make-base-image.sh TAG. Needs root, debootstrap and a Docker engine. The machine's own CA bundle goes in,
# since such machines often sit behind a proxy with a certificate authority of its own.
set -euo pipefail

tag=${1:?usage: make-base-image.sh TAG}
command -v debootstrap >/dev/null || { echo "make-base-image: debootstrap is missing. Fix: apt-get install debootstrap" >&2; exit 1; }
[ "$(id -u)" -eq 0 ] || { echo "make-base-image: debootstrap needs root. Fix: run as root" >&2; exit 1; }

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$root" >"$root.log" 2>&1 ||
  { tail -n 5 "$root.log" >&2; exit 1; }
rm -rf "$root.log" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale,info}

bundle=/etc/ssl/certs/ca-certificates.crt
if [ -f "$bundle" ]; then install -m 644 "$bundle" "$root$bundle"; fi
tar -C "$root" -c . | docker import \
  --change "ENV SSL_CERT_FILE=$bundle" --change "ENV PIP_CERT=$bundle" --change "ENV REQUESTS_CA_BUNDLE=$bundle" \
  --change 'CMD ["/bin/bash"]' - "$tag" >/dev/null
echo "made $tag"
