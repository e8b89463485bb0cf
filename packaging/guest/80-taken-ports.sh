# Where another program has both ports, it installs all the same, listens on this machine only, and says so.
systemd-socket-activate --listen 80 --listen 443 /bin/true >/dev/null 2>&1 &
other=$!
until (ss --no-header --listening --tcp --numeric | grep -q ':443 ') || ! kill -0 "$other"; do sleep 1; done

dpkg --install "$(package kinglet 1)" >taken.txt 2>&1 || { cat taken.txt; fail "it does not install"; }
sed -n '/^Kinglet/,$s/^/   | /p' taken.txt
systemctl --quiet is-active kinglet.service || fail "the server does not run: $(journal | tail -n 20)"
grep -q 'http://127.0.0.1:8080' taken.txt || fail "it does not say where it listens"
curl --silent --show-error --fail http://127.0.0.1:8080/health >/dev/null || fail "it does not answer there"
dpkg --purge kinglet >/dev/null 2>&1 || fail "it cannot be purged"
kill "$other"
