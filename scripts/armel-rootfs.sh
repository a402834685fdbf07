#!/bin/sh
# Makes a folder that chroot can run Debian's ARMv6 (armel) Node from: armel-rootfs.sh DIR.
# The host's own apt state stays untouched; programs started from inside (/bin/sh) are this machine's static busybox,
# because qemu-user starts no ARM children unless binfmt_misc is set up.
set -eu
target=${1:?usage: armel-rootfs.sh DIR}
[ -e "$target/.complete" ] && exit 0

need() {
  command -v "$1" >/dev/null || {
    echo "armel-rootfs: no $1: install the Debian package $2" >&2
    exit 3
  }
}
need apt-get apt
need dpkg-deb dpkg
need busybox busybox-static
need qemu-arm-static qemu-user-static
if [ "$(id -u)" != 0 ]; then
  echo "armel-rootfs: device nodes and chroot need root" >&2
  exit 3
fi

mkdir -p "$(dirname "$target")"
target=$(cd "$(dirname "$target")" && pwd)/$(basename "$target")
work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

# --- download ---
mkdir -p "$work/apt/sources" "$work/apt/state/lists/partial" "$work/apt/cache/archives/partial" "$work/root"
: >"$work/apt/state/status"
: >"$work/apt/none.list"
# Only Debian's own archive has armel; other sources of the host would fail the update.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
  if [ -s "$file" ] && grep -Eq '/debian(-security)?/?([[:space:]]|$)' "$file"; then
    cp "$file" "$work/apt/sources/"
  fi
done
[ -e "$work/apt/sources/sources.list" ] && mv "$work/apt/sources/sources.list" "$work/apt/sources/host.list"
cat >"$work/apt/apt.conf" <<END
APT::Architecture "armel";
#clear APT::Architectures;
APT::Architectures { "armel"; };
APT::Sandbox::User "root";
Dir::Etc::sourcelist "$work/apt/none.list";
Dir::Etc::sourceparts "$work/apt/sources";
Dir::State "$work/apt/state";
Dir::State::status "$work/apt/state/status";
Dir::Cache "$work/apt/cache";
Dir::Cache::archives "$work/apt/cache/archives";
#clear DPkg::Post-Invoke;
#clear APT::Update::Post-Invoke;
END
apt() {
  APT_CONFIG="$work/apt/apt.conf" DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$work/apt.log" 2>&1 || {
    cat "$work/apt.log" >&2
    echo "armel-rootfs: apt-get $* failed" >&2
    exit 1
  }
}
apt update
apt --yes --no-install-recommends --download-only install nodejs

# --- unpack ---
for package in "$work"/apt/cache/archives/*.deb; do
  dpkg-deb -x "$package" "$work/root"
done
mkdir -p "$work/root/bin" "$work/root/dev" "$work/root/proc" "$work/root/tmp" "$work/root/place" "$work/root/etc"
cp "$(command -v qemu-arm-static)" "$work/root/qemu-arm-static"
# Essential files that packages such as base-files would bring, in this machine's own code.
cp "$(command -v busybox)" "$work/root/bin/busybox"
for applet in $(busybox --list); do
  [ -e "$work/root/bin/$applet" ] || ln -s /bin/busybox "$work/root/bin/$applet"
done
echo 'root:x:0:0:root:/:/bin/sh' >"$work/root/etc/passwd"
echo '127.0.0.1 localhost' >"$work/root/etc/hosts"
mkdir -p "$work/root/usr/bin"
[ -e "$work/root/usr/bin/env" ] || ln -s /bin/busybox "$work/root/usr/bin/env"
chmod 1777 "$work/root/tmp"
find "$work"/apt/cache/archives -name '*.deb' -exec basename {} \; | sort >"$work/root/.complete"
rm -rf "$target"
mv "$work/root" "$target"
