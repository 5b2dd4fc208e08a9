#!/usr/bin/env bash
# Builds Pitot's image without a registry, a daemon or the network, below a folder; for amd64 and arm64 unless told
# otherwise:
#
#   VERSION=v1.2.3 hack/image.sh bin/image [ARCHITECTURE...]
#
#   bin/image/oci                the OCI layout with all architectures
#   bin/image/pitot-amd64.tar    one architecture each, for "ctr images import", "docker load" and "podman load"
#   bin/image/pitot-arm64.tar
#   bin/image/name               the image's full name; its tag is the version without its v, as in the chart
#
# What comes out depends on the sources, VERSION, COMMIT, SOURCE_DATE_EPOCH (of which git tells the latter two, unless
# they are given) and the versions of Go and buildah; not on the folder, the clock or the machine.
set -euo pipefail

out=$(realpath -m "${1:?usage: VERSION=v1.2.3 hack/image.sh FOLDER [ARCHITECTURE...]}")
shift
[ $# -gt 0 ] || set -- amd64 arm64
: "${VERSION:?the version}"
cd "$(dirname "${BASH_SOURCE[0]}")/.."
COMMIT=${COMMIT:-$(git rev-parse HEAD)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export VERSION COMMIT
tag=${VERSION#v}
name=ghcr.io/pitot-autoscaling/pitot:$tag

umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Everything of buildah lives and dies here. It copies files and runs nothing.
buildah() {
	command buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

mkdir -p "$work/context" "$out"
install -m 644 LICENSE "$work/context/"
(cd hack/roots && GOWORK=off go run -mod=readonly .) >"$work/context/ca-certificates.crt"
for arch; do
	hack/build.sh "linux/$arch" "$work/context/$arch/pitot"
	buildah build --quiet --isolation chroot --platform "linux/$arch" --timestamp "$SOURCE_DATE_EPOCH" \
		--label "org.opencontainers.image.version=$tag" \
		--label "org.opencontainers.image.revision=$COMMIT" \
		--label "org.opencontainers.image.created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)" \
		--manifest "$name" --file Dockerfile "$work/context" >/dev/null
done

rm -rf "$out"/oci "$out"/pitot-*.tar
buildah manifest push --quiet --all "$name" "oci:$out/oci:$tag" >/dev/null

# An archive of one architecture: its part of the layout, named the way containerd reads it (the annotation) and the way
# Docker does (manifest.json). Its digest is the one that the layout of all architectures has for it.
for arch; do
	one=$work/$arch
	mkdir -p "$one/blobs/sha256"
	cp "$out/oci/oci-layout" "$one/"
	list=$(jq -r '.manifests[0].digest' "$out/oci/index.json")
	jq --arg arch "$arch" --arg name "$name" '{schemaVersion, manifests: [.manifests[] | select(.platform.architecture == $arch)
		| .annotations = {"io.containerd.image.name": $name, "org.opencontainers.image.ref.name": $name}]}' \
		"$out/oci/blobs/${list/://}" >"$one/index.json"
	manifest=$(jq -r '.manifests[0].digest' "$one/index.json")
	jq --arg name "$name" 'def path: "blobs/" + sub(":"; "/");
		[{Config: (.config.digest | path), RepoTags: [$name], Layers: [.layers[].digest | path]}]' \
		"$out/oci/blobs/${manifest/://}" >"$one/manifest.json"
	for blob in "$manifest" $(jq -r '.config.digest, .layers[].digest' "$out/oci/blobs/${manifest/://}"); do
		cp "$out/oci/blobs/${blob/://}" "$one/blobs/sha256/"
	done
	tar -C "$one" --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --mtime="@$SOURCE_DATE_EPOCH" \
		-cf "$out/pitot-$arch.tar" blobs index.json manifest.json oci-layout
done
echo "$name" >"$out/name"
