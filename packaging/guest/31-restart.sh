# While the server restarts nobody is refused, on either port; and connections from elsewhere are let in although the server
# itself may connect to nothing.
work=$(mktemp -d)
knock() { # port
  local refused=0 came=0
  while [ ! -e "$work/stop" ]; do
    if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then came=$((came + 1)); else refused=$((refused + 1)); fi
  done
  echo "$came $refused" >"$work/$1"
}
knock 443 & first=$!
knock 80 & second=$!
for round in 1 2 3; do
  systemctl restart kinglet.service
  curl --silent --fail --insecure --max-time 60 https://127.0.0.1/health >/dev/null
done
touch "$work/stop"
wait $first $second
for port in 443 80; do
  read -r came refused <"$work/$port"
  say "port $port during three restarts: $came connections, $refused refused"
  [ "$refused" = 0 ]
  [ "$came" -gt 0 ]
done
rm -r "$work"
[ "$(systemctl show --property IPAddressDeny --value kinglet.service)" != "" ]
address=$(hostname -I | awk '{ print $1 }')
if [ -n "$address" ]; then
  curl --silent --fail --insecure --max-time 60 "https://$address/health" >/dev/null
  say "reached at $address too"
fi
