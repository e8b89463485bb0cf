# A server that hangs is started again by systemd's watchdog.
before=$(systemctl show --property MainPID --value kinglet.service)
kill -STOP "$before"
for _ in $(seq 180); do
  now=$(systemctl show --property MainPID --value kinglet.service)
  [ "$now" != "$before" ] && [ "$now" != 0 ] && break
  sleep 1
done
[ "$now" != "$before" ] || { say "nobody noticed"; exit 1; }
curl --silent --fail --insecure --max-time 60 --retry 30 --retry-delay 1 --retry-all-errors https://127.0.0.1/health >/dev/null
say "a hanging server was started again"
