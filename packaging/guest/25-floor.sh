# A version with holes that are known does not come back, and what runs goes on running.
state() { /usr/libexec/kinglet/kinglet-switch status --json; }
[ "$(cat /var/lib/kinglet-switch/floor)" = 0.1.0 ] || fail "the floor is $(cat /var/lib/kinglet-switch/floor)"
echo 0.1.0-3 >/var/lib/kinglet-switch/floor
before=$(systemctl show --property MainPID --value kinglet)
if dpkg --install "$(package kinglet 1)" >old.txt 2>&1; then cat old.txt; fail "an old version was installed"; fi
grep -q 'holes that are known' old.txt || { cat old.txt; fail "it does not say why"; }
[ "$(state | jq -r '.runs, .trial')" = "$(printf '0.1.0-3\nnull')" ] || fail "$(state)"
[ "$(systemctl show --property MainPID --value kinglet)" = "$before" ] || fail "it was started anew for nothing"
https /health | grep -q '"ready"' || fail "$(https /health)"
# dpkg has nothing half done, which would keep others from being installed.
installed=$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' kinglet)
case "$installed" in 'installed 0.1.0-'[35]) ;; *) fail "dpkg says $installed" ;; esac
[ -z "$(dpkg --audit)" ] || fail "$(dpkg --audit)"
if /usr/libexec/kinglet/kinglet-switch take 0.1.0-1; then fail "it takes what is below the floor"; fi
if /usr/libexec/kinglet/kinglet-switch back; then fail "it goes back below the floor"; fi
echo 0.1.0 >/var/lib/kinglet-switch/floor
dpkg --install "$(package kinglet 3)" >new.txt 2>&1 || { cat new.txt; fail "a newer one does not install"; }
[ "$(state | jq -r '.runs, .trial')" = "$(printf '0.1.0-3\nnull')" ] || fail "$(state)"
