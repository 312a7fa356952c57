#!/bin/bash
# Boots a copy of this machine with a package installed, with systemd as its
# first process and the service alone, and says how the service runs:
# boot.sh PACKAGE [DROP-IN], in namespaces of its own (mount, pid, net, uts, ipc, cgroup).
set -euo pipefail
package=$1
dropin=${2:-}
root=/mnt/root

mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work $root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work $root
mount -t proc proc $root/proc
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs $root/dev
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 ptmx:5:2; do
  IFS=: read -r name major minor <<<"$device"
  mknod -m 666 $root/dev/"$name" c "$major" "$minor"
done
mkdir $root/dev/shm $root/dev/pts $root/dev/mqueue
mount -t tmpfs tmpfs $root/run
mount -t tmpfs tmpfs $root/tmp

cp "$package" $root/run/package
chroot $root dpkg --force-depends --no-triggers -i /run/package >/dev/null
ip link set lo up
ip link add eth1 type veth peer name eth2
ip link set eth1 up
ip link set eth2 up
sed -i 's/^#  interfaces: .*/  interfaces: [eth1]/; s/^  ring_mb: .*/  ring_mb: 1/; s/^#http:/http:/; s/^#  listen: .*/  listen: 9445/' \
  $root/etc/wormscope/wormscope.yaml

# Nothing but the service: what it is ordered after is not there.
cat >$root/etc/systemd/system/only.target <<'UNIT'
[Unit]
DefaultDependencies=no
Wants=wormscope.service
UNIT
mkdir -p $root/etc/systemd/system/wormscope.service.d
cat >$root/etc/systemd/system/wormscope.service.d/test.conf <<UNIT
[Unit]
DefaultDependencies=no
[Service]
StandardOutput=file:/run/said
StandardError=file:/run/said
UNIT
if [ -n "$dropin" ]; then # the one that lets it load the kernel filter
  cp "$dropin" $root/etc/systemd/system/wormscope.service.d/override.conf
  sed -i 's/kernel_filter: false/kernel_filter: true/' $root/etc/wormscope/wormscope.yaml
fi

cat >$root/run/probe <<'PROBE'
for _ in $(seq 1200); do # two minutes
  state=$(systemctl show wormscope -p ActiveState --value 2>/dev/null || true)
  if [ "$state" = active ] || [ "$state" = failed ]; then break; fi
  sleep 0.1
done
systemctl show wormscope -p ActiveState,ExecMainStatus,NRestarts,User
pid=$(systemctl show wormscope -p MainPID --value)
echo "runs as: $(stat -c %U /proc/$pid)"
grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/$pid/status | tr '\t' ' '
systemctl reload wormscope && echo "reloaded"
for _ in $(seq 600); do # a minute
  if grep -q "feeds renewed" /run/said; then break; fi
  sleep 0.1
done
systemctl stop wormscope && echo "stopped"
systemctl show wormscope -p Result
ls -l /var/lib/wormscope /var/log/wormscope
sed 's/^/said: /' /run/said
kill -s RTMIN+4 1 # power off: the end of the namespace
sleep 5
PROBE

cd $root
mkdir old
pivot_root . old
export container=other
exec chroot . bash -c 'umount -l /old; bash /run/probe & exec /lib/systemd/systemd --system --unit=only.target --show-status=no --log-level=err'
