# What is recorded: people talk while 1 is upgraded to 3, which has a step of the schema more. Marks on the disk say from where to
# where the power may go.
mark() { sync; echo "$1" >"/trial/$1"; sync; }
dpkg --install "$(package kinglet 1)" "$(package kinglet-board 1)" >installed.txt 2>&1 || { cat installed.txt; fail "it does not install"; }
code=$(sed -n 's/.*claim code is \([0-9-]*\).*/\1/p' installed.txt)
/trial/kinglet-load through --address 127.0.0.1:443 --tls --claim "$code" --until /trial/enough --json >talk.json 2>talk.err &
talk=$!
until [ -n "$(kinglet user list --json | jq '.users[1].name // empty')" ]; do sleep 1; done
sleep 3
# As the board does it: verified, copied, and then installed.
mkdir -p /var/lib/kinglet-board/update
cp "$(package kinglet 3)" /var/lib/kinglet-board/update/kinglet.deb
mark KINGLET-CUTS-BEGIN
dpkg --force-confold --install /var/lib/kinglet-board/update/kinglet.deb >upgraded.txt 2>&1 || { cat upgraded.txt; fail "it does not upgrade"; }
sleep 2
mark KINGLET-CUTS-END
touch enough
wait "$talk" || { cat talk.json talk.err; fail "the conversation did not survive"; }
say "$(jq --compact-output '.rows[0]' talk.json)"
/usr/libexec/kinglet/kinglet-switch status
[ "$(/usr/libexec/kinglet/kinglet-switch status --json | jq -r '.runs, .trial')" = "$(printf '0.1.0-3\nnull')" ] || fail "the new version was not kept"
