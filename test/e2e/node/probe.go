package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// tools are the programs that a node needs from Debian, by their packages.
var tools = []struct{ pkg, file string }{
	{"containerd", "/usr/bin/containerd"},
	{"containernetworking-plugins", "/usr/lib/cni/bridge"},
	{"conntrack", "/usr/sbin/conntrack"},
	{"debootstrap", "/usr/sbin/debootstrap"},
	{"iproute2", "/usr/sbin/ip"},
	{"iptables", "/usr/sbin/iptables"},
	{"nftables", "/usr/sbin/nft"},
	{"runc", "/usr/sbin/runc"},
}

// Probe says everything for which this machine cannot run a node.
func Probe() error {
	var problems []error
	for _, tool := range tools {
		if _, err := os.Stat(tool.file); err != nil {
			problems = append(problems, fmt.Errorf("the Debian package %s is missing (make deps)", tool.pkg))
		}
	}
	if os.Geteuid() != 0 {
		return errors.Join(append(problems, errors.New("it needs root"))...)
	}
	problems = append(problems, probeNamespaces(), probeCgroups(), probeOverlay())
	// A pod reaches another one of its node by a Service only so.
	if _, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables"); err != nil {
		problems = append(problems, errors.New("the kernel has no br_netfilter (modprobe br_netfilter)"))
	}
	return errors.Join(problems...)
}

// probeNamespaces tries what init.sh does first.
func probeNamespaces() error {
	command := exec.Command("bash", "-c", "mount --make-rprivate / && mount -t proc proc /proc && mount -t sysfs sysfs /sys")
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("namespaces and mounts of its own (CAP_SYS_ADMIN, CAP_NET_ADMIN): %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// probeCgroups asks for the controllers that kubelet needs, of either version.
func probeCgroups() error {
	needed := []string{"cpu", "cpuset", "memory", "pids"}
	const root = "/sys/fs/cgroup/"
	var kind unix.Statfs_t
	if err := unix.Statfs(root, &kind); err != nil {
		return fmt.Errorf("cgroups at %s: %w", root, err)
	}
	if kind.Type == unix.CGROUP2_SUPER_MAGIC {
		enabled, err := os.ReadFile(root + "cgroup.subtree_control")
		if err != nil {
			return fmt.Errorf("cgroups: %w", err)
		}
		for _, controller := range needed {
			if !strings.Contains(" "+strings.TrimSpace(string(enabled))+" ", " "+controller+" ") {
				return fmt.Errorf("cgroup v2 without the controller %s in %scgroup.subtree_control, which has: %s", controller, root, enabled)
			}
		}
		return probeCgroup(root)
	}
	for _, controller := range needed {
		if err := probeCgroup(root + controller); err != nil {
			return err
		}
	}
	return nil
}

// probeCgroup tries to make a group.
func probeCgroup(parent string) error {
	group, err := os.MkdirTemp(parent, "pitot-e2e-")
	if err != nil {
		return fmt.Errorf("cgroups: %w", err)
	}
	return os.Remove(group)
}

// probeOverlay tries to mount an overlay where the containers' will be.
func probeOverlay() (err error) {
	folder, err := os.MkdirTemp(".", ".overlay-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	command := exec.Command("bash", "-c", "mount --make-rprivate / && mkdir l u w m && mount -t overlay -o lowerdir=l,upperdir=u,workdir=w overlay m")
	command.Dir = folder
	command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("an overlay file system in this folder: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
