#!/bin/sh
# The limits of nginx: addresses of one IPv6 network count as one, addresses of IPv4 each for itself.
. "$(dirname "$0")/tap.sh"

gate=
nginx=
trap '[ -z "$gate" ] || kill -9 "$gate" 2>/dev/null; [ -z "$nginx" ] || kill -QUIT "$nginx" 2>/dev/null; cd /; rm -rf "$work"' EXIT
: >url
env --default-signal=INT "$bartizan" gate run --state state --listen localhost:0 >url 2>gate.err &
gate=$!
for _ in $(seq 400); do
    [ -s url ] && break
    sleep 0.05
done
url=$(cat url)
kill -TERM "$gate"
wait "$gate" || true
gate=

# The same configuration, with nobody behind it (502), where a header says which address it is.
conf=$PWD/state/gate/nginx.conf
[ -f "$conf" ] || conf=$(find "$PWD/state" -name '*.conf' | head -1)
sed 's/^http {$/http { set_real_ip_from 127.0.0.1; set_real_ip_from ::1; real_ip_header X-Test-Address;/' "$conf" >limits.conf
command=$(command -v nginx || echo /usr/sbin/nginx)
"$command" -t -q -c "$PWD/limits.conf" -p "$PWD/state/gate" 2>nginx.err
ok $? "nginx takes the configuration"
"$command" -c "$PWD/limits.conf" -p "$PWD/state/gate" 2>nginx.err &
nginx=$!
for _ in $(seq 400); do
    curl -sk --max-time 5 -o /dev/null "$url/x" && break
    sleep 0.05
done

ask() { # PATH PREFIX COUNT: how many of COUNT requests, each from an address of its own, are refused with 429
    : >config
    for i in $(seq 1 "$3"); do
        printf 'next\nurl = "%s%s"\nheader = "X-Test-Address: %s%s"\noutput = /dev/null\nwrite-out = "%%{http_code}\\n"\ninsecure\nsilent\nmax-time = 20\n' \
            "$url" "$1" "$2" "$i" >>config
    done
    sed -i 1d config
    curl -K config | grep -c '^429$' || true
}
is "$(ask /v1/sign-in 10.9.0. 200)" 0 "200 addresses of IPv4 sign in"
[ "$(ask /v1/sign-in 2001:db8:1:2::a 300)" -gt 0 ]
ok $? "300 addresses of one network of IPv6 may not"
[ "$(ask /v1/oidc/x/start 2001:db8:1:2:ffff:1:2: 1)" -eq 1 ] || [ "$(ask /v1/enrol 2001:db8:1:2:ffff:1:2: 30)" -gt 0 ]
ok $? "nor by another of these doors"
is "$(ask /v1/sign-in 2001:db8:1:3::a 1)" 0 "the network beside it may"
is "$(ask /v1/users 2001:db8:1:2::b 1)" 0 "and other addresses are not so strict"
kill -QUIT "$nginx"
wait "$nginx" || true
nginx=
done_testing
