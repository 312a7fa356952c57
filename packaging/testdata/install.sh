#!/bin/bash
# Installs a package on a copy of this machine and says what became of it:
# install.sh PACKAGE INSTALL REMOVE, in a mount namespace of its own. The copy
# is an overlay in memory, gone with the namespace.
set -euo pipefail
package=$1 install=$2 remove=$3

mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount -t proc proc /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs tmpfs /mnt/root/run
cp "$package" /mnt/root/run/package

chroot /mnt/root bash -euo pipefail -s "$install" "$remove" <<'INSIDE'
eval "$1"
echo "version: $(wormscope --version)"
echo "user: $(id -un wormscope)"
stat -c 'config: %a %U:%G' /etc/wormscope/wormscope.yaml
stat -c 'feeds: %a %U:%G' /etc/wormscope/feeds
stat -c 'folder: %a %U:%G' /var/lib/wormscope /var/log/wormscope
echo "check: $(wormscope config check /etc/wormscope/wormscope.yaml >/dev/null 2>&1 && echo ok)"
echo "verify: $(systemd-analyze verify wormscope.service 2>&1 | grep -i wormscope || true)"

# The sample for logrotate reads well.
echo '{}' >/var/log/wormscope/alerts.json
/usr/sbin/logrotate -d /usr/share/doc/wormscope/wormscope.logrotate 2>&1 | grep -i error || echo "logrotate: ok"

# As the unit runs it: its user, one capability, no new privileges.
echo "capabilities: $(setpriv --reuid wormscope --regid wormscope --init-groups --no-new-privs \
  --bounding-set -all,+net_raw --inh-caps -all,+net_raw --ambient-caps -all,+net_raw \
  sh -c 'wormscope --version >/dev/null && cat /proc/self/status' |
  awk '/^Cap(Eff|Bnd)/ {caps[$2]} /^NoNewPrivs/ {n = $2} END {for (c in caps) printf "%s ", c; print n}')"

echo "evidence" >/var/lib/wormscope/scope.json
eval "$2"
test ! -e /usr/bin/wormscope && test ! -e /usr/lib/systemd/system/wormscope.service && echo "removed"
echo "kept: $(cat /var/lib/wormscope/scope.json)"
INSIDE
