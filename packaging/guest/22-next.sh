# A version with one more step of the schema: kept; and the version before reads what it has made of the database, and goes on.
state() { /usr/libexec/kinglet/kinglet-switch status --json; }
form() { head -c 64 /var/lib/kinglet/kinglet.db | tail -c 4 | od -An -tu1 | awk '{ print $4 }'; }
people() { kinglet user list --json | jq -c '[.users[].name]'; }
was=$(form)
who=$(people)
dpkg --install "$(package kinglet 3)" >next.txt 2>&1 || { cat next.txt; fail "it does not upgrade"; }
[ "$(state | jq -r '.runs, .previous')" = "$(printf '0.1.0-3\n0.1.0-2')" ] || fail "$(state)"
say "form $was before, $(form) after"
systemctl stop kinglet.service kinglet.socket kinglet-http.socket
[ "$(form)" = $((was + 1)) ] || fail "the step was not taken: $was before, $(form) after"

/usr/libexec/kinglet/kinglet-switch back || fail "it does not go back"
systemctl start kinglet.socket kinglet-http.socket kinglet.service
systemctl start kinglet-trial.service
[ "$(state | jq -r '.runs, .previous, .trial, .failed')" = "$(printf '0.1.0-2\n0.1.0-3\nnull\nnull')" ] || fail "$(state)"
[ "$(form)" = $((was + 1)) ] || fail "it took the form back"
[ "$(people)" = "$who" ] || fail "it does not see the people: $(people)"
runuser -u kinglet -- kinglet health || fail "it takes no message"
systemctl stop kinglet.service kinglet.socket kinglet-http.socket
runuser -u kinglet -- kinglet doctor || fail "the log is damaged"

/usr/libexec/kinglet/kinglet-switch back || fail "it does not go forward again"
systemctl start kinglet.socket kinglet-http.socket kinglet.service
systemctl start kinglet-trial.service
[ "$(state | jq -r '.runs, .trial')" = "$(printf '0.1.0-3\nnull')" ] || fail "$(state)"
[ "$(people)" = "$who" ] || fail "it does not see the people: $(people)"
