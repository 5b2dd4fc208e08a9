# The first process of the node, in namespaces of its own: init.sh FOLDER LOGS PAUSE
#
# It makes this file system look like that of a machine of its own and then becomes PAUSE, which waits and buries the dead.
# It ends with the test, and then the kernel ends everything in its PID namespace: kubelet, containers, all.
set -euo pipefail
folder=$1 logs=$2 pause=$3

mount --make-rprivate /
mount -t proc proc /proc

# /sys of this network namespace, with the machine's cgroups in it.
mkdir "$folder/cgroup"
mount --rbind /sys/fs/cgroup "$folder/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$folder/cgroup" /sys/fs/cgroup
umount -l "$folder/cgroup"

# Kubelet wants that mounts in pods are seen by it. Not before, or the umount would reach the cgroups, too.
mount --make-rshared /

# Nothing is written into the machine's own folders.
mount -t tmpfs tmpfs /run
for scratch in /var/lib/cni /var/lib/kubelet; do
	mkdir -p "$scratch"
	mount -t tmpfs tmpfs "$scratch"
done
mount --bind "$logs" /var/log

# Kubelet sets these for the whole machine, unless they are as it wants.
want() {
	echo "$2" >"/run/${1//\//.}"
	mount --bind "/run/${1//\//.}" "/proc/sys/$1"
}
want vm/overcommit_memory 1
want vm/panic_on_oom 0
want kernel/panic 10
want kernel/panic_on_oops 1

# Those of the network namespace are the node's own.
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

hostname node
ip link set lo up

echo ready >&3
exec "$pause" 3>&-
