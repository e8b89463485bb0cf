# The upgrade was on trial, and is kept beside the version before; a message goes to the log and back.
state() { /usr/libexec/kinglet/kinglet-switch status --json; }
[ "$(state | jq -r '.runs, .previous, .trial, .failed')" = "$(printf '0.1.0-2\n0.1.0-1\nnull\nnull')" ] || fail "$(state)"
[ "$(readlink -f /usr/bin/kinglet)" = /usr/lib/kinglet/versions/0.1.0-2/kinglet ] || fail "$(readlink -f /usr/bin/kinglet) runs"
[ "$(readlink "/proc/$(systemctl show --property MainPID --value kinglet)/exe")" = /usr/lib/kinglet/versions/0.1.0-2/kinglet ] ||
    fail "another program runs"
grep -q '^Kinglet 0.1.0-2 runs' upgraded.txt || { cat upgraded.txt; fail "the upgrade does not say what came of it"; }
systemctl start kinglet-health || fail "$(journalctl --unit kinglet-health --output cat)"
runuser -u kinglet -- kinglet health
say "exposure: $(SYSTEMD_COLORS=0 systemd-analyze security --no-pager kinglet-trial.service | tail -n 1)"
