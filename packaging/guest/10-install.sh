# Installing makes the user and the folder of the data, opens both ports, starts the server, and says where to go.
if id kinglet >/dev/null 2>&1; then fail "there is a user kinglet before anything is installed"; fi
dpkg --install "$(package kinglet 1)" >installed.txt 2>&1 || { cat installed.txt; fail "it does not install"; }
sed -n '/^Kinglet/,$s/^/   | /p' installed.txt

[ "$(getent passwd kinglet | cut -d : -f 7)" = /usr/sbin/nologin ] || fail "the user has a shell"
[ "$(stat --format '%a %U:%G' /var/lib/kinglet)" = '700 kinglet:kinglet' ] || fail "$(stat /var/lib/kinglet)"
for unit in kinglet.service kinglet.socket kinglet-http.socket; do
    systemctl --quiet is-active "$unit" || fail "$unit is not active: $(systemctl status "$unit")"
    systemctl --quiet is-enabled "$unit" || fail "$unit will not start at boot"
done
[ "$(ps -o user= -C kinglet)" = kinglet ] || fail "it runs as $(ps -o user= -C kinglet)"
https /health | grep -q '"status"' || fail "GET /health: $(https /health)"
[ "$(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1/)" -lt 400 ] || fail "no trust page"
https / | grep -qi '<!doctype html' || fail "no web client"

# The certificate names the machine's addresses, so that a browser that trusts it is content with any of them.
curl --silent --show-error --fail --cacert /var/lib/kinglet/tls/ca.pem https://10.9.8.7/health >/dev/null ||
    fail "the certificate does not name the machine's address"

# What was printed leads there.
grep -q 'http://10.9.8.7/' installed.txt || fail "it does not say where to go"
grep -q 'claim code is [0-9]\{5\}-[0-9]\{5\}' installed.txt || fail "it does not say the claim code"

# The package and the program call themselves by the same version, and every file is as it was packed.
version=$(dpkg-query --show --showformat '${Version}' kinglet)
[ "$(kinglet --version)" = "kinglet ${version%-*}" ] || fail "$(kinglet --version) in a package $version"
[ -z "$(dpkg --verify kinglet)" ] || fail "$(dpkg --verify kinglet)"
dpkg-query --show --showformat '${Conffiles}' kinglet | grep -q '^ /etc/kinglet/kinglet.toml ' || fail "its settings would be overwritten by an upgrade"
runuser -u kinglet -- kinglet check >checked.txt || { cat checked.txt; fail "kinglet check is not content"; }
# A command that root types finds the running server's data by the settings of the package.
kinglet user list --json | jq --exit-status '.users == []' >/dev/null || fail "root cannot ask the server"
say "installed $version, started as $(ps -o user= -C kinglet), ready after $(systemctl show -P ActiveEnterTimestampMonotonic kinglet) us"
