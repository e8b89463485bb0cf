# A server that cannot start shows a page on both ports, is never given up by systemd, and comes back once it is repaired.
data=/var/lib/kinglet
systemctl stop kinglet.service
mv $data/kinglet.db /var/lib/kinglet.db.aside
head -c 8192 /dev/urandom >$data/kinglet.db
chown kinglet: $data/kinglet.db
systemctl start --no-block kinglet.service
page() { curl --silent --insecure --max-time 10 -H 'Accept: text/html' "$1" || true; }
for _ in $(seq 120); do
  page https://127.0.0.1/ | grep -q 'database is damaged' && break
  sleep 1
done
for url in https://127.0.0.1/ http://127.0.0.1/; do
  page $url | grep -q 'database is damaged' || { say "no page at $url"; systemctl status --no-pager kinglet.service; exit 1; }
  page $url | grep -q '数据库已损坏'
done
[ "$(curl --silent --insecure --max-time 10 -o /dev/null -w '%{http_code}' https://127.0.0.1/api/v1/server)" = 503 ]
[ "$(curl --silent --insecure --max-time 10 https://127.0.0.1/api/v1/server | jq -r .error.code)" = safe_mode ]
[ "$(systemctl is-active kinglet.service)" = active ]
systemctl show --property StatusText --value kinglet.service | grep -q 'safe mode'
say "safe mode after $(systemctl show --property NRestarts --value kinglet.service) restarts"
mv /var/lib/kinglet.db.aside $data/kinglet.db
systemctl restart kinglet.service
curl --silent --fail --insecure --max-time 60 https://127.0.0.1/health >/dev/null
[ ! -e $data/starts.json ]
