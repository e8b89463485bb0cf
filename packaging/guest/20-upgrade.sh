# An upgrade restarts the server under a running conversation: people come back by themselves, nothing acknowledged is lost,
# nobody is refused, and settings that were changed stay.
code=$(sed -n 's/.*claim code is \([0-9-]*\).*/\1/p' installed.txt)
echo '# changed by hand' >>/etc/kinglet/kinglet.toml
/trial/kinglet-load through --address 127.0.0.1:443 --tls --claim "$code" --until /trial/enough --json >talk.json 2>talk.err &
talk=$!
until [ -n "$(kinglet user list --json | jq '.users[1].name // empty')" ]; do sleep 1; done
sleep 5

before=$(systemctl show --property MainPID --value kinglet)
dpkg --install "$(package kinglet 2)" >upgraded.txt 2>&1 || { cat upgraded.txt; fail "it does not upgrade"; }
after=$(systemctl show --property MainPID --value kinglet)
[ "$before" != "$after" ] || fail "the old program still runs"
systemctl --quiet is-active kinglet.service || fail "it does not run after the upgrade"
if grep -q 'claim code' upgraded.txt; then fail "an upgrade greets like an installation"; fi
sleep 5
touch enough
wait "$talk" || { cat talk.json talk.err; fail "the conversation did not survive"; }
say "$(jq --compact-output '.rows[0]' talk.json)"
jq --exit-status '.rows[0] | .acked == .sent and .acked > 50 and .lost == 0 and .doubled == 0 and .reordered == 0' talk.json \
    >/dev/null || fail "something acknowledged is lost, doubled or out of order"
jq --exit-status '.rows[0] | ."cut off" >= 2' talk.json >/dev/null || fail "nobody was cut off, so nothing was tried"
jq --exit-status '.rows[0] | ."refused connections" == 0' talk.json >/dev/null || fail "a connection was refused"
grep -q '^# changed by hand' /etc/kinglet/kinglet.toml || fail "the upgrade took changed settings away"
[ "$(dpkg-query --show --showformat '${Version}' kinglet | sed 's/.*-//')" = 2 ] || fail "it is not the new package"
