# A version that starts, says that it is ready, and takes no message: only the message there and back tells, and that is enough.
state() { /usr/libexec/kinglet/kinglet-switch status --json; }
dpkg --install "$(package kinglet 5)" >sick.txt 2>&1 || { cat sick.txt; fail "dpkg is not content"; }
grep '^Kinglet\|was tried' sick.txt | sed 's/^/   | /'
[ "$(state | jq -r '.runs, .trial, .failed.version')" = "$(printf '0.1.0-3\nnull\n0.1.0-5')" ] || fail "$(state)"
journalctl --sync
journalctl --quiet --boot --output cat --unit kinglet.service | grep -q 'ready at' || fail "it never said that it was ready"
https /health | grep -q '"ready"' || fail "$(https /health)"
runuser -u kinglet -- kinglet health || fail "the version before takes no message"
# Whoever repairs does not try it once more; and a start of the server leaves it at that.
KINGLET_REPAIR=1 /var/lib/dpkg/info/kinglet.postinst configure 0.1.0-5 >again.txt 2>&1 || { cat again.txt; fail "it cannot be configured again"; }
systemctl restart kinglet.service
[ "$(state | jq -r '.runs, .trial')" = "$(printf '0.1.0-3\nnull')" ] || fail "$(state)"
