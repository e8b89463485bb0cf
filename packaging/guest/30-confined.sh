# The running server has no privileges, its limits are the unit's, and its ports are systemd's.
pid=$(systemctl show --property MainPID --value kinglet.service)
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$pid/status"; }
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
  [ "$(field $set)" = 0000000000000000 ] || { say "$set is $(field $set)"; exit 1; }
done
[ "$(field NoNewPrivs)" = 1 ]
[ "$(field Seccomp)" = 2 ]
[ "$(field Uid)" = "$(id -u kinglet)" ]
level=$(SYSTEMD_COLORS=0 systemd-analyze security --no-pager kinglet.service | sed -n 's/.*exposure level for kinglet.service: \([0-9.]*\).*/\1/p')
say "exposure of the running service: $level"
awk -v level="$level" 'BEGIN { exit !(level <= 1.2) }'
[ "$(systemctl show --property MemoryMax --value kinglet.service)" = $((304 * 1024 * 1024)) ]
if [ -e /sys/fs/cgroup/system.slice/kinglet.service/memory.max ]; then
  [ "$(cat /sys/fs/cgroup/system.slice/kinglet.service/memory.max)" = $((304 * 1024 * 1024)) ]
  say "memory in use: $(cat /sys/fs/cgroup/system.slice/kinglet.service/memory.current) bytes, at most $(cat /sys/fs/cgroup/system.slice/kinglet.service/memory.peak 2>/dev/null || echo '?')"
else
  say "the kernel has no memory control group: MemoryMax does nothing here"
fi
# Files are the server's alone, and only its own can be written: seen as the server sees them, nothing else is writable to root either.
[ "$(stat -c %a:%U /var/lib/kinglet)" = 700:kinglet ]
touch_in_there() { touch "/proc/$pid/root$1" 2>/dev/null; }
touch_in_there /var/lib/kinglet/probe
rm /var/lib/kinglet/probe
for place in /etc/kinglet/probe /usr/probe /srv/probe /var/lib/probe; do
  ! touch_in_there $place || { say "$place can be written"; exit 1; }
done
# But a disk for backups that is mounted later is seen in there.
mkdir -p /media/kinglet-backup
mount -t tmpfs -o nosuid,nodev,noexec,mode=700,uid="$(id -u kinglet)" tmpfs /media/kinglet-backup
touch_in_there /media/kinglet-backup/probe
[ -e /media/kinglet-backup/probe ]
umount /media/kinglet-backup
# Its threads at the door stand back, which a system call filter must not take away.
nice=$(for task in /proc/"$pid"/task/*; do if [ "$(cat "$task/comm")" = door ]; then awk '{ print $19 }' "$task/stat"; fi; done | sort -u)
[ "$nice" = 10 ] || { say "the threads at the door have a niceness of $nice"; exit 1; }
# What it sends of its own accord does not leave the machine; out of any other place in it the same does.
out='echo >/dev/udp/10.9.8.9/9'
bash -c "$out"
within=/sys/fs/cgroup/system.slice/kinglet.service/cgroup.procs
sent=$(bash -c "echo \$\$ >$within || exit 3; { $out; } 2>/dev/null || exit 4; echo yes" || echo "status $?")
[ "$sent" = "status 4" ] || { say "sending out of the server's place ended with: $sent"; exit 1; }
say "nothing that the server sends by itself leaves the machine"
