# Whether the clock is right: the server may not ask the kernel, so it goes by what systemd-timesyncd says.
mark=/run/systemd/timesync/synchronized
told() { curl --silent --insecure --max-time 60 https://127.0.0.1/health | jq -r .synchronised; }
becomes() { for _ in $(seq 60); do [ "$(told)" = "$1" ] && return; sleep 1; done; say "the clock is told as $(told), not $1"; exit 1; }
was=$([ -e $mark ] && echo there || echo gone)
mkdir -p "$(dirname $mark)"
touch $mark
becomes true
rm $mark
becomes false
[ "$was" = gone ] || touch $mark
