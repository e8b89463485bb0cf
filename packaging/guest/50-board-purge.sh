# Purging the board's package closes its socket and leaves nothing of it; the server goes on.
mkdir -p /etc/ssh/sshd_config.d
touch /etc/ssh/sshd_config.d/00-kinglet.conf /etc/ssh/sshd_config.d/mine.conf
dpkg --purge kinglet-board >board.txt 2>&1 || { cat board.txt; fail "it cannot be purged"; }
for place in /run/kinglet-board.sock /var/lib/kinglet-board /etc/kinglet-board /etc/ssh/sshd_config.d/00-kinglet.conf; do
    [ ! -e "$place" ] || fail "$place is still there"
done
[ -e /etc/ssh/sshd_config.d/mine.conf ] || fail "it took somebody else's file along"
left=$(find /etc/systemd /usr/lib/systemd /var/lib/systemd -name 'kinglet-board*')
[ -z "$left" ] || fail "left behind: $left"
https /health >/dev/null || fail "the server went with it"
