#!/usr/bin/env bash
# Builds Docker's `buildx` and `compose` commands from the Go module proxy, for machines whose packages are too old to
# have them, and installs them for this user. The versions are pinned; both carry them, since compose asks buildx.
set -euo pipefail

buildx=v0.38.2
compose=v5.6.0
plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir -p "$plugins"

# A buildx that was built without its version says 0.0.0, which compose refuses.
if ! docker buildx version 2>/dev/null | grep --invert-match --quiet ' v0\.0\.0'; then
  GOBIN=$work go install -ldflags "-s -w -X github.com/docker/buildx/version.Version=$buildx" \
    "github.com/docker/buildx/cmd/buildx@$buildx"
  install -m 755 "$work/buildx" "$plugins/docker-buildx"
fi
if ! docker compose version >/dev/null 2>&1; then
  # `go install` refuses compose for an exclude in its go.mod, so it is built from an empty module that requires it.
  mkdir "$work/compose" && cd "$work/compose"
  go mod init compose-command && go get "github.com/docker/compose/v5/cmd@$compose"
  go build -o "$plugins/docker-compose" -ldflags "-s -w -X github.com/docker/compose/v5/internal.Version=$compose" \
    github.com/docker/compose/v5/cmd
fi
docker compose version
