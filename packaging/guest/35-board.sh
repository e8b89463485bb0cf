# What needs root, asked as the server's user, as others and as root. Nothing here restarts the machine.
if [ ! -x /usr/libexec/kinglet/kinglet-board ]; then
  say "kinglet-board is not installed: skipped"
  exit 0
fi
systemctl start kinglet-board.socket
ask() { # user request
  runuser -u "$1" -- perl -MIO::Socket::UNIX -e '
    my $socket = IO::Socket::UNIX->new(Peer => "/run/kinglet-board.sock") or do { print "{\"closed\":true}"; exit };
    print $socket "$ARGV[0]\n"; $socket->flush; print <$socket>;' "$2"
}
[ "$(stat -c %a:%U:%G /run/kinglet-board.sock)" = 660:root:kinglet ]
[ "$(ask nobody '{"verb":"sensors"}' | jq -r .closed)" = true ] || { say "a stranger may connect"; exit 1; }
for user in kinglet root; do
  ask $user '{"verb":"sensors"}' | jq -e .ok >/dev/null || { say "$user is not heard"; exit 1; }
done
say "sensors: $(ask kinglet '{"verb":"sensors"}' | jq -c '{temperature, not_reported}')"
was=$(cat /etc/hostname)
ask kinglet '{"verb":"host_name","name":"board-test"}' | jq -e .ok >/dev/null
[ "$(cat /etc/hostname)" = board-test ]
ask root "{\"verb\":\"host_name\",\"name\":\"$was\"}" | jq -e .ok >/dev/null
[ "$(cat /etc/hostname)" = "$was" ]
[ "$(ask kinglet '{"verb":"host_name","name":"a;b"}' | jq -r .error.code)" = bad_argument ]
[ "$(ask kinglet '{"verb":"run","program":"/bin/sh"}' | jq -r .error.code)" = bad_request ]
[ "$(ask kinglet '{"verb":"update"}' | jq -r .error.code)" = not_available ]
[ "$(ask kinglet '{"verb":"usb_unmount"}' | jq -r .error.code)" = not_available ]
id kinglet-admin >/dev/null 2>&1 || [ "$(ask kinglet '{"verb":"ssh_off"}' | jq -r .error.code)" = not_available ]
for request in $(seq 20); do
  ask kinglet '{"verb":"sensors"}' | jq -e .ok >/dev/null
done
[ "$(systemctl is-active kinglet-board.socket)" = active ]
curl --silent --fail --insecure --max-time 60 https://127.0.0.1/health >/dev/null
