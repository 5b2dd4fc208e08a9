#!/usr/bin/env bash
# Builds the programs that tests run beside Pitot, once per version, into a cache outside the checkout,
# and prints the folder that holds them:
#
#   hack/testbin.sh prometheus   prometheus
#   hack/testbin.sh plane        etcd kube-apiserver kube-controller-manager kube-scheduler kwok
#   hack/testbin.sh plane-1.36   kube-apiserver kube-controller-manager kube-scheduler of an older Kubernetes, and the rest of plane
#   hack/testbin.sh node         kubelet kube-proxy kubectl
#   hack/testbin.sh helm         helm, version 4
#   hack/testbin.sh helm3        helm, version 3
#   hack/testbin.sh tools        golangci-lint
#
# The folder's name is a digest of the module files, the packages and the flags, so that another version is another
# folder.
set -euo pipefail

set_name=${1:?usage: hack/testbin.sh prometheus|plane|plane-1.36|node|helm|helm3|tools}
hack=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/pitot-test
modfile=go.mod
beside= # a folder with programs that belong to the set, too

case $set_name in
prometheus)
	module=$hack/tools/prometheus
	packages=(github.com/prometheus/prometheus/cmd/prometheus)
	flags=(-tags "remove_all_sd,enable_kubernetes_sd")
	;;
plane | plane-* | node)
	module=$hack/tools/plane
	packages=(
		k8s.io/kubernetes/cmd/kube-apiserver
		k8s.io/kubernetes/cmd/kube-controller-manager
		k8s.io/kubernetes/cmd/kube-scheduler
	)
	case $set_name in
	plane) packages=(go.etcd.io/etcd/server/v3 "${packages[@]}" sigs.k8s.io/kwok/cmd/kwok) ;;
	plane-*)
		modfile=${set_name#plane-}.mod
		beside=$("${BASH_SOURCE[0]}" plane)
		;;
	node)
		packages=(
			k8s.io/kubernetes/cmd/kubelet
			k8s.io/kubernetes/cmd/kube-proxy
			k8s.io/kubernetes/cmd/kubectl
		)
		;;
	esac
	version=$(sed -nE 's#^(\t|require )k8s.io/kubernetes (v[0-9.]+).*#\2#p' "$module/$modfile")
	minor=${version#v1.}
	stamp=k8s.io/component-base/version
	flags=(-ldflags "-s -w -X $stamp.gitVersion=$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=${minor%%.*}")
	;;
helm | helm3)
	module=$hack/tools/$set_name
	[ "$set_name" = helm ] && major=v4 || major=v3
	packages=("helm.sh/helm/$major/cmd/helm")
	version=$(sed -nE "s#^(\\t|require )helm.sh/helm/$major (v[0-9.]+).*#\\2#p" "$module/go.mod")
	# Helm 4 knows the Kubernetes version of its libraries; Helm 3 is told it.
	minor=$(sed -nE 's|^\tk8s.io/client-go v0\.([0-9]+)\..*|\1|p' "$module/go.mod")
	kubernetes="-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=$minor"
	[ "$major" = v3 ] || kubernetes=
	flags=(-ldflags "-s -w -X helm.sh/helm/$major/internal/version.version=$version $kubernetes")
	;;
tools)
	module=$hack/tools
	packages=(github.com/golangci/golangci-lint/v2/cmd/golangci-lint)
	flags=(-ldflags "-s -w")
	;;
*)
	echo "hack/testbin.sh: unknown set \"$set_name\": use prometheus, plane, plane-1.36, node, helm, helm3 or tools" >&2
	exit 2
	;;
esac

digest=$(cat "$module/$modfile" "$module/${modfile%.mod}.sum" <(printf '%s\n' "${packages[@]}" "${flags[@]}"; go env GOVERSION GOARCH) | sha256sum | cut -c1-16)
folder=$cache/$set_name-$digest
mkdir -p "$cache"

# One builder at a time: a second caller waits for the first one's result.
exec 9>"$cache/$set_name.lock"
flock 9
if [ ! -d "$folder" ]; then
	echo "hack/testbin.sh: building $set_name into $folder (once; minutes on a cold cache)" >&2
	building=$(mktemp -d "$cache/.building-XXXXXX")
	trap 'rm -rf "$building"' EXIT
	for package in "${packages[@]}"; do
		name=$(basename "$package")
		[ "$package" = go.etcd.io/etcd/server/v3 ] && name=etcd
		echo "hack/testbin.sh: $name" >&2
		(cd "$module" && CGO_ENABLED=0 GOWORK=off go build -modfile="$modfile" -trimpath "${flags[@]}" -o "$building/$name" "$package")
	done
	[ -z "$beside" ] || cp -n "$beside"/* "$building/"
	mv "$building" "$folder"
	chmod 755 "$folder"
fi
echo "$folder"
