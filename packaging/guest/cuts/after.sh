# A machine whose power went during an upgrade has started again: by itself it comes to an end that is whole.
state() { /usr/libexec/kinglet/kinglet-switch status --json; }
busy() { systemctl show --property ActiveState --value kinglet-board-repair.service kinglet-trial.service kinglet.service | grep -q activating; }
calm=0
for _ in $(seq 300); do
    if busy; then calm=0; else calm=$((calm + 1)); fi
    [ "$calm" -lt 5 ] || break
    sleep 1
done
state | jq --compact-output .
[ "$(state | jq -r .trial)" = null ] || fail "it is on trial for ever"
[ -z "$(dpkg --audit)" ] || fail "dpkg is not whole: $(dpkg --audit)"
https /health | grep -q '"ready"' || fail "the server is not well: $(https /health)"
runuser -u kinglet -- kinglet health
[ "$(kinglet user list --json | jq '.users | length')" -ge 2 ] || fail "the people are gone"
# Nothing failed, so what was begun is what runs; where nothing was begun, the old one does.
installed=$(dpkg-query --show --showformat '${Version}' kinglet)
[ "$(state | jq -r .runs)" = "$installed" ] || fail "$installed is installed, and $(state | jq -r .runs) runs"
systemctl stop kinglet.socket kinglet-http.socket kinglet.service
runuser -u kinglet -- kinglet doctor >doctor.txt || { cat doctor.txt; fail "the log is damaged"; }
say "$installed runs; $(head -n 1 doctor.txt)"
