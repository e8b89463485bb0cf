# What the access point, the box and its firewall say once the box has come, or has not.
on_the_air() { ip netns exec air /run/air/iw dev wlan1 station dump | grep -q 'authorized:[[:space:]]*yes'; }
has_address() { ip -4 -o address show dev wlan0 | grep -q 'inet @GIVEN@/'; }
for try in $(seq 60); do
    if on_the_air && has_address; then break; fi
    sleep 2
done
on_the_air && echo 'on the air' || tail -n 4 /run/air-point.log
wpa_cli -i wlan0 status | grep -E '^(ssid|key_mgmt|wpa_state)=' || true
/run/air/iw reg get | grep -o '^country ..' | head -n 1
ip -4 -o address show dev wlan0 | awk '{ print $4 }'
nft list set inet kinglet neighbours4 | grep -o '@NET@' || true
systemctl --failed --plain --no-legend
