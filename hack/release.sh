#!/usr/bin/env bash
# Makes everything that a release publishes, and publishes nothing:
#
#   VERSION=v1.2.3 hack/release.sh dist
#
#   dist/pitot_v1.2.3_OS_ARCH.tar.gz            the binary and its licence
#   dist/pitot_v1.2.3_OS_ARCH.cdx.json          its bill of materials
#   dist/pitot_v1.2.3_image_linux_ARCH.tar      the image; dist/image/oci is the layout to push
#   dist/pitot_v1.2.3_image_linux_ARCH.cdx.json its bill of materials
#   dist/pitot-1.2.3.tgz                        the chart
#   dist/krew.yaml                              the manifest of the kubectl plugin
#   dist/checksums.txt                          SHA-256 of all files above
#
# COMMIT and SOURCE_DATE_EPOCH are git's, unless they are given.
set -euo pipefail

dist=$(realpath -m "${1:?usage: VERSION=v1.2.3 hack/release.sh FOLDER}")
: "${VERSION:?the version to release}"
if [[ ! $VERSION =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]]; then
	echo "hack/release.sh: VERSION $VERSION is no version: want v1.2.3 or v1.2.3-rc.1" >&2
	exit 2
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
COMMIT=${COMMIT:-$(git rev-parse HEAD)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export VERSION COMMIT SOURCE_DATE_EPOCH

umask 022
rm -rf "$dist"
mkdir -p "$dist"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd hack/sbom && GOWORK=off go build -mod=readonly -o "$work/sbom" .)
roots=$(cd hack/roots && GOWORK=off go list -mod=readonly -m -f '{{.Path}}@{{.Version}}' golang.org/x/crypto/x509roots/fallback)

for platform in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do
	name=pitot_${VERSION}_${platform/\//_}
	mkdir "$work/$name"
	install -m 644 LICENSE "$work/$name/"
	hack/build.sh "$platform" "$work/$name/pitot"
	tar -C "$work/$name" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
		-c LICENSE pitot | gzip -9n >"$dist/$name.tar.gz"
	"$work/sbom" "$work/$name/pitot" >"$dist/$name.cdx.json"
done

hack/image.sh "$dist/image"
for arch in amd64 arm64; do
	mv "$dist/image/pitot-$arch.tar" "$dist/pitot_${VERSION}_image_linux_$arch.tar"
	"$work/sbom" "$work/pitot_${VERSION}_linux_$arch/pitot" "$roots" >"$dist/pitot_${VERSION}_image_linux_$arch.cdx.json"
done

"$(hack/testbin.sh helm)/helm" package charts/pitot --version "${VERSION#v}" --app-version "${VERSION#v}" --destination "$dist" >/dev/null

krew=$(sed '/^#/d' hack/release/krew.yaml)
for platform in linux_amd64 linux_arm64 darwin_amd64 darwin_arm64; do
	sum=$(sha256sum "$dist/pitot_${VERSION}_$platform.tar.gz")
	krew=${krew//@$platform@/${sum%% *}}
done
echo "${krew//@VERSION@/$VERSION}" >"$dist/krew.yaml"

(cd "$dist" && find . -maxdepth 1 -type f -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >"$work/checksums.txt")
mv "$work/checksums.txt" "$dist/"
