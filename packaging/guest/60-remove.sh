# Removing stops it and keeps data, settings and user; installing again finds the people of before.
sum=$(sha256sum /etc/kinglet/kinglet.toml)
dpkg --remove kinglet >removed.txt 2>&1 || { cat removed.txt; fail "it cannot be removed"; }
[ ! -e /usr/bin/kinglet ] || fail "the program is still there"
if pgrep -x kinglet >/dev/null; then fail "it still runs"; fi
for port in 80 443; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then fail "port $port is still open"; fi
done
[ -f /var/lib/kinglet/kinglet.db ] || fail "the data is gone"
[ "$(sha256sum /etc/kinglet/kinglet.toml)" = "$sum" ] || fail "the settings are gone"

dpkg --install "$(package kinglet 2)" >again.txt 2>&1 || { cat again.txt; fail "it does not install again"; }
https /health >/dev/null || fail "it does not answer after it was installed again"
[ "$(/usr/libexec/kinglet/kinglet-switch status)" = 'Kinglet 0.1.0-2 runs.' ] || fail "$(/usr/libexec/kinglet/kinglet-switch status)"
if grep -q 'claim code' again.txt; then fail "it forgot who owns it"; fi
[ "$(kinglet user list --json | jq '.users | length')" -ge 2 ] || fail "the people are gone"
say "removed and installed again with $(kinglet user list --json | jq '.users | length') people"
