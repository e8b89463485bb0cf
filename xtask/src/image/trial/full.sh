# Takes what room there is on the data's partition, root's own share as well, and sees what the server makes of that: what cannot
# be kept is refused, everything else goes on, also over a start, and with room again all is well by itself.
kinglet="kinglet --config /etc/kinglet/kinglet.toml"
well() { runuser -u kinglet -- $kinglet health 2>&1; }
# The card has no program for that but Python.
says() {
    python3 -c 'import http.client, ssl
to = http.client.HTTPSConnection("127.0.0.1", timeout=60, context=ssl._create_unverified_context())
to.request("GET", "/health")
print(to.getresponse().read().decode())'
}
tells() {
    for try in $(seq 60); do
        if says | grep -q "\"status\":\"$1\""; then return 0; fi
        sleep 1
    done
    echo "the server says $(says), and not $1"
    exit 1
}
well >/dev/null
before=$($kinglet user list --json)
# The file system takes some of it for itself.
fallocate -l "$(df --output=avail -B1 /data | tail -n 1)" /data/filler 2>/dev/null || true
cat /dev/zero >>/data/filler 2>/dev/null || true
df -h /data | tail -n 1
if said=$(well); then
    echo "a message was taken, and there is no room for it: $said"
    exit 1
fi
echo "$said" | head -n 3
tells full
# To the last byte, what the server lets go of as it stops included: it has held back what a start needs.
systemctl stop kinglet.service
for again in 1 2; do
    cat /dev/zero >>/data/filler 2>/dev/null || true
    sync
done
if ! systemctl start kinglet.service; then
    df /data
    journalctl --quiet --no-pager --lines 20 --unit kinglet.service
    exit 1
fi
tells full
[ "$($kinglet user list --json)" = "$before" ]
rm /data/filler
tells ready
well >/dev/null
systemctl stop kinglet.socket kinglet-http.socket kinglet.service
runuser -u kinglet -- $kinglet doctor | head -n 1
systemctl start kinglet.socket kinglet-http.socket kinglet.service
tells ready
