# An access point on the second of two simulated radios, in a network of its own: whatever comes from there came over the air.
# Its programs are on a disk of their own, since the card has none of them.
if ! mountpoint -q /run/air; then
    mkdir -p /run/air
    mount -o ro /dev/disk/by-label/air /run/air
    ip netns add air
    /run/air/iw phy "$(cat /sys/class/net/wlan1/phy80211/name)" set netns name air
    ip -n air link set lo up
    ip -n air address add @HERE@/24 dev wlan1
    : >/run/air.leases
    cat >/run/air-addresses.conf <<'END'
interface wlan1
start @GIVEN@
end @GIVEN@
lease_file /run/air.leases
pidfile /run/air-addresses.pid
option subnet 255.255.255.0
option router @HERE@
END
fi
systemctl stop air-point.service air-addresses.service 2>/dev/null || true
cat >/run/air-point.conf <<'END'
interface=wlan1
driver=nl80211
ssid=@SSID@
hw_mode=g
channel=6
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=@PASSWORD@
END
: >/run/air-point.log
systemd-run --quiet --collect --unit=air-point --property=StandardOutput=append:/run/air-point.log \
    stdbuf -oL ip netns exec air /run/air/hostapd /run/air-point.conf
systemd-run --quiet --collect --unit=air-addresses ip netns exec air /run/air/busybox udhcpd -f /run/air-addresses.conf
for try in $(seq 30); do
    if grep -q AP-ENABLED /run/air-point.log && systemctl is-active --quiet air-point.service air-addresses.service; then exit 0; fi
    sleep 1
done
tail -n 20 /run/air-point.log
journalctl --quiet --boot --unit=air-point --unit=air-addresses | tail -n 20
echo 'the access point of the trial does not start'
exit 1
