# Purging takes data and settings along, and leaves no unit and no link behind.
dpkg --purge kinglet >purged.txt 2>&1 || { cat purged.txt; fail "it cannot be purged"; }
if grep -i warning purged.txt; then fail "dpkg warns"; fi
for place in /var/lib/kinglet /var/lib/kinglet-switch /etc/kinglet /usr/lib/kinglet /usr/share/doc/kinglet; do
    [ ! -e "$place" ] || fail "$place is still there: $(ls -lR "$place")"
done
left=$(find /etc/systemd /usr/lib/systemd /var/lib/systemd /usr/lib/tmpfiles.d /usr/lib/sysusers.d -name '*kinglet*')
[ -z "$left" ] || fail "left behind: $left"
[ -z "$(systemctl --no-legend list-units 'kinglet*' --state active)" ] || fail "a unit is still active"
say "purged; the user stays, as Debian's packages keep theirs: $(getent passwd kinglet | cut -d : -f 1)"
