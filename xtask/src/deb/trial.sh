#!/bin/bash
# Runs every script of /trial/scripts as root, each in a shell that ends at the first thing that fails, and says on the console
# how it went. What scripts may use: say TEXT, fail TEXT, package NAME REVISION (its file), journal (what the server said),
# https PATH and http PATH (GET from this machine, the certificate checked), and files of their own in /trial.
exec >/dev/ttyS0 2>&1 </dev/null
cd /trial || exit
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

say() { printf '   %s\n' "$*"; }
fail() { printf '   FAILED: %s\n' "$*"; exit 1; }
package() { ls /trial/packages/"$1"_*-"$2"_*.deb; }
journal() { journalctl --sync; journalctl --quiet --boot --output cat --unit kinglet.service; }
https() { curl --silent --show-error --fail --cacert /var/lib/kinglet/tls/ca.pem "https://127.0.0.1$1"; }
http() { curl --silent --show-error --fail "http://127.0.0.1$1"; }
export -f say fail package journal https http

# An address that is not loopback, as every machine in a network has one.
ip link add dummy1 type dummy && ip address add 10.9.8.7/24 dev dummy1 && ip link set dummy1 up
echo "== systemd $(systemctl --version | sed -n '1s/systemd //p'), up after $(cut -d ' ' -f 1 /proc/uptime) s, $(cat /etc/debian_version)"
status=0
for script in scripts/*; do
    echo "== ${script#scripts/}"
    # What failed is named, since a script need not say it itself.
    if ! bash -eEu -o pipefail -c 'trap "say \"line \$LINENO failed: \$BASH_COMMAND\"" ERR; . "$0"' "$script"; then
        status=1
        echo "== ${script#scripts/} failed; the journal's last lines:"
        journalctl --no-pager --boot --lines 60 --output short-precise --unit 'kinglet*'
        systemctl --no-pager --no-legend list-units 'kinglet*' --all
        break
    fi
done
echo "== done after $(cut -d ' ' -f 1 /proc/uptime) s"
echo "guest-status: $status"
sync
# Whoever records what was written waits for the end.
systemctl --no-block poweroff
