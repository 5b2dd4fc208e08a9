# Makes a root file system with Python: python.sh FOLDER PACKAGE,PACKAGE,…
set -euo pipefail
root=$1 packages=$2

. /etc/os-release
debootstrap --variant=minbase --include="$packages" "$VERSION_CODENAME" "$root"

# Compiled modules name the time of their source, and files of an image have none: these do not look at it.
chroot "$root" find /usr/lib/python3 /usr/lib/python3.* -name __pycache__ -prune -exec rm -r {} +
chroot "$root" python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /usr/lib/python3 /usr/lib/python3.* || true # some are of Python 2

rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/run/*
rm -rf "$root"/usr/share/{doc,man,locale,info}/* "$root"/dev/*
