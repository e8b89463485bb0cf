# What needs root comes in a package of its own, and only its socket runs.
[ ! -e /run/kinglet-board.sock ] || fail "the server's own package brings the board along"
dpkg --install "$(package kinglet-board 2)" >board.txt 2>&1 || { cat board.txt; fail "it does not install"; }
systemctl --quiet is-active kinglet-board.socket || fail "its socket is not open: $(systemctl status kinglet-board.socket)"
systemctl --quiet is-enabled kinglet-board.socket || fail "its socket will not be open after a start"
if pgrep kinglet-board >/dev/null; then fail "the program runs though nobody asked"; fi
[ -z "$(dpkg --verify kinglet-board)" ] || fail "$(dpkg --verify kinglet-board)"
