# A signed update, asked of the board by the server's user: a forged and a changed one are refused, the right one is installed and
# kept; an older one, signed as well, is refused. The signatures are OpenSSL's, in minisign's form.
state() { /usr/libexec/kinglet/kinglet-switch status --json; }
ask() {
    runuser -u kinglet -- perl -MIO::Socket::UNIX -e '
    my $socket = IO::Socket::UNIX->new(Peer => "/run/kinglet-board.sock") or die "no board: $!";
    print $socket "$ARGV[0]\n"; $socket->flush; print <$socket>;' "$1"
}
work=$(mktemp -d)
id=KINGLET1
raw() { openssl pkey -in "$work/$1" -pubout -outform DER | tail -c 32; }
sign() { # key file
    openssl dgst -blake2b512 -binary "$2" >"$work/digest"
    openssl pkeyutl -sign -rawin -inkey "$work/$1" -in "$work/digest" -out "$work/signature"
    { cat "$work/signature"; printf 'timestamp:1'; } >"$work/whole"
    openssl pkeyutl -sign -rawin -inkey "$work/$1" -in "$work/whole" -out "$work/global"
    printf 'untrusted comment: x\n%s\ntrusted comment: timestamp:1\n%s\n' \
        "$({ printf 'ED%s' "$id"; cat "$work/signature"; } | base64 -w 0)" "$(base64 -w 0 "$work/global")"
}
openssl genpkey -algorithm ed25519 -out "$work/ours"
openssl genpkey -algorithm ed25519 -out "$work/theirs"
printf 'untrusted comment: x\n%s\n' "$({ printf 'Ed%s' "$id"; raw ours; } | base64 -w 0)" >/usr/share/kinglet/update.pub
put() { # key revision
    install -d -o kinglet -g kinglet /var/lib/kinglet/update
    install -o kinglet "$(package kinglet "$2")" /var/lib/kinglet/update/kinglet.deb
    sign "$1" /var/lib/kinglet/update/kinglet.deb >/var/lib/kinglet/update/kinglet.deb.minisig
}
refused() { # code, answer
    [ "$(jq -r .error.code <<<"$2")" = "$1" ] || fail "not $1: $2"
}
put theirs 6
refused bad_signature "$(ask '{"verb":"update"}')"
put ours 6
echo x >>/var/lib/kinglet/update/kinglet.deb
refused bad_signature "$(ask '{"verb":"update"}')"
put ours 2
refused not_newer "$(ask '{"verb":"update"}')"
[ "$(state | jq -r .runs)" = 0.1.0-3 ] || fail "$(state)"

# From a disk; what is mounted there is what the board looks at.
mkdir -p /media/kinglet-backup
mount -t tmpfs -o nosuid,nodev,noexec tmpfs /media/kinglet-backup
refused not_available "$(ask '{"verb":"update","from":"usb"}')"
cp "$(package kinglet 6)" /media/kinglet-backup/
name=$(ls /media/kinglet-backup/*.deb)
sign ours "$name" >"$name.minisig"
answer=$(ask '{"verb":"update","from":"usb"}')
[ "$(jq -r .version <<<"$answer")" = 0.1.0-6 ] || fail "$answer"
for _ in $(seq 120); do
    [ "$(dpkg-query --show --showformat '${db:Status-Status} ${Version}' kinglet)" != 'installed 0.1.0-6' ] || break
    sleep 1
done
while systemctl is-active --quiet kinglet-update.service; do sleep 1; done
umount /media/kinglet-backup
[ "$(state | jq -r '.runs, .previous, .trial, .failed')" = "$(printf '0.1.0-6\n0.1.0-3\nnull\nnull')" ] || fail "$(state)"
runuser -u kinglet -- kinglet health
refused not_newer "$(ask '{"verb":"update"}')"
rm -r "$work" /usr/share/kinglet/update.pub /var/lib/kinglet/update
