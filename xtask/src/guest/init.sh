#!/bin/busybox sh
# The one program of the measuring guest: makes room for many sockets, measures, says what came out, and turns it off.
busybox=/bin/busybox
$busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
while read -r module; do insmod "/lib/modules/$module" || echo "guest-trouble: $module"; done </lib/modules/order
ip link set lo up
# Two descriptors a session, one at each end, and ports enough for every local address.
echo 2000000 >/proc/sys/fs/file-max
echo 1048576 >/proc/sys/fs/nr_open
echo 4096 >/proc/sys/net/core/somaxconn
echo '1024 65000' >/proc/sys/net/ipv4/ip_local_port_range
ulimit -n 1048576
mount -t ext4 -o noatime /dev/vda /disk || echo 'guest-trouble: no disk'
# Into the page cache at once: a sign-in has ten seconds, and an emulated disk read page by page is slow.
cat /disk/data/kinglet.db >/dev/null
grep -E 'MemTotal|MemAvailable' /proc/meminfo
(
    while sleep 10; do
        echo "guest-progress: $(cut -d' ' -f1 /proc/uptime) s, $(grep '^TCP:' /proc/net/sockstat), $(grep MemAvailable /proc/meminfo)"
    done
) &
/kinglet-load idle --server-bin /kinglet --planted /disk --json $(cat /arguments) >/tmp/result 2>/tmp/errors
status=$?
[ $status = 0 ] || cat /tmp/errors /disk/server.log
echo "guest-result: $(cat /tmp/result)"
echo "guest-status: $status"
sync
poweroff -f
