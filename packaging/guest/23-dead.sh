# A version that does not start: the one before comes back by itself, nobody is refused meanwhile, and nothing that was
# acknowledged is lost.
state() { /usr/libexec/kinglet/kinglet-switch status --json; }
work=$(mktemp -d)
(while [ ! -e "$work/stop" ]; do
    if (exec 3<>/dev/tcp/127.0.0.1/443) 2>/dev/null; then echo came; else echo refused; fi
    sleep 0.2
done >"$work/knocks") &
knocker=$!
began=$(date +%s)
dpkg --install "$(package kinglet 4)" >dead.txt 2>&1 || { cat dead.txt; fail "dpkg is not content, and would keep others from being installed"; }
took=$(($(date +%s) - began))
touch "$work/stop"
wait "$knocker"
if grep -q refused "$work/knocks"; then fail "$(grep -c refused "$work/knocks") connections were refused"; fi
grep '^Kinglet\|was tried' dead.txt | sed 's/^/   | /'
grep -q '0.1.0-4 was tried and was not well' dead.txt || { cat dead.txt; fail "it does not say what came of it"; }
[ "$(state | jq -r '.runs, .trial, .failed.version')" = "$(printf '0.1.0-3\nnull\n0.1.0-4')" ] || fail "$(state)"
[ -z "$(dpkg --audit)" ] || fail "$(dpkg --audit)"
https /health | grep -q '"ready"' || fail "the version before does not serve: $(https /health)"
systemctl show --property StatusText --value kinglet.service | grep -qv 'safe mode' || fail "it is in safe mode"
[ "$(kinglet user list --json | jq '.users | length')" -ge 2 ] || fail "the people are gone"
runuser -u kinglet -- kinglet health
rm -r "$work"
say "back after $took s"
