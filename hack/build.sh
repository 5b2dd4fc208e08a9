#!/usr/bin/env bash
# Builds the binary that is released, so that anyone can build the same bytes again:
#
#   VERSION=v1.2.3 COMMIT=0123abc hack/build.sh linux/amd64 FILE
#
# The result depends on the sources, VERSION, COMMIT and Go's version alone: no path of this machine and nothing of git
# is in it (-buildvcs would tell a clone from an unpacked archive).
set -euo pipefail

platform=${1:?usage: VERSION=v1.2.3 COMMIT=0123abc hack/build.sh linux/amd64 FILE}
file=$(realpath -m "${2:?no file to write}")
: "${VERSION:?the version that the binary prints}" "${COMMIT:?the commit that the binary prints}"

cd "$(dirname "${BASH_SOURCE[0]}")/.."
app=github.com/pitot-autoscaling/pitot/pkg/app
# What a developer may have set for other builds does not reach this one.
export GOOS=${platform%/*} GOARCH=${platform#*/} GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOEXPERIMENT='' GOFIPS140=off GOWORK=off CGO_ENABLED=0
exec go build -trimpath -buildvcs=false -mod=readonly -ldflags "-s -w -X $app.version=$VERSION -X $app.commit=$COMMIT" -o "$file" ./cmd/pitot
