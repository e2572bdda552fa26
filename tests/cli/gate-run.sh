#!/bin/sh
# `bartizan gate run`: real nginx over https, started and stopped with the daemon; what clients may not say.
. "$(dirname "$0")/tap.sh"

gate=
trap '[ -z "$gate" ] || kill -9 "$gate" 2>/dev/null; cd /; rm -rf "$work"' EXIT
start() { # OPTION...
    : >url
    env --default-signal=INT "$bartizan" gate run --state state --listen localhost:0 "$@" >url 2>gate.err &
    gate=$!
    for _ in $(seq 400); do
        [ -s url ] && break
        kill -0 "$gate" 2>/dev/null || break
        sleep 0.05
    done
    url=$(cat url)
    port=${url##*:}
}
stop() { # SIGNAL
    kill -"$1" "$gate"
    status=0
    wait "$gate" || status=$?
    gate=
}
get() { # CURL-ARGUMENT...
    curl -sS --max-time 20 --cacert state/gate/self-signed.pem "$@"
}
code() { # CURL-ARGUMENT...
    get -o /dev/null -w '%{http_code}' "$@"
}
closed() { # nothing listens there any more
    ! curl -sk --max-time 5 "$url/v1/health" >/dev/null 2>&1
}
soon_closed() {
    for _ in $(seq 200); do
        closed && return 0
        sleep 0.05
    done
    return 1
}

for signal in TERM INT; do
    start
    is "$(printf '%s' "$url" | sed -E 's/[0-9]+$/N/')" "https://localhost:N" "the address is printed when both are ready"
    is "$(get "$url/v1/health")" '{"status":"ok"}' "the daemon answers through nginx"
    nginx=$(cat state/gate/nginx.pid)
    stop $signal
    is "$status" 0 "$signal stops both cleanly"
    closed && ! kill -0 "$nginx" 2>/dev/null
    ok $? "nginx is gone"
done
grep -q 'self-signed' gate.err
ok $? "it says that the certificate is self-signed"
grep -q 'no model server is named' gate.err
ok $? "and that it guards no model"

start
is "$(get -o /dev/null -w '%{http_version}' "$url/v1/health")" 2 "HTTP/2"
is "$(get --tlsv1.3 "$url/v1/health")" '{"status":"ok"}' "TLS 1.3"
is "$(get --tls-max 1.2 "$url/v1/health")" '{"status":"ok"}' "TLS 1.2"
! get --tls-max 1.1 --ciphers 'DEFAULT@SECLEVEL=0' "$url/v1/health" >/dev/null 2>&1
ok $? "but not TLS 1.1"
is "$(get "https://127.0.0.1:$port/v1/health" -o /dev/null -w '%{http_code}')" 421 "one name only"
is "$(code "https://127.0.0.1:$port/sign-in")" 307 "and pages lead there"
is "$(code "$url/sign-in")" 200 "the sign-in page"
get -o /dev/null -D - "$url/sign-in" | tr -d '\r' >head
grep -qi "^content-security-policy: default-src 'none'; script-src 'self'" head
ok $? "with its policy"
is "$(grep -ci '^server: nginx$' head)" 1 "no version of nginx"
is "$(code "$url/v1/users")" 401 "nobody is nobody"
for header in 'X-Bartizan-Local: 1' 'X-Bartizan-Client-Cert: -----BEGIN%20CERTIFICATE-----' 'X-Bartizan-Address: 127.0.0.1' 'x_bartizan_local: 1'; do
    is "$(code -H "$header" "$url/v1/users")" 401 "$header from outside is nothing"
done
is "$(code --http1.1 -H 'X-Bartizan-Local: 1' -H 'X-Bartizan-Local: 1' "$url/v1/users")" 401 "nor twice"
is "$(code -X OPTIONS "$url/v1/users")" 405 "OPTIONS is refused"
is "$(code -X TRACE "$url/v1/users")" 405 "and TRACE"
head -c 1100000 /dev/zero >big
is "$(code -H 'Content-Type: application/json' --data-binary @big "$url/v1/sign-in")" 413 "a body over 1 MiB is refused"
long=$(head -c 20000 /dev/zero | tr '\0' a)
refused=$(code -H "X-Long: $long" "$url/v1/health" 2>/dev/null || true)
case $refused in 400 | 431 | 494 | 000) true ;; *) false ;; esac
ok $? "a header of 20,000 bytes is refused ($refused)"
is "$(code "http://localhost:$port/v1/health")" 307 "plain HTTP is led to https"
is "$(code "$url/v1/%2e%2e/users")" 400 "dot segments are refused"
is "$(stat -c %a state/gate/self-signed.key)" 600 "the key is for its owner"
openssl x509 -in state/gate/self-signed.pem -noout -ext subjectAltName >names
grep -q 'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1' names
ok $? "the certificate names this machine"
openssl x509 -in state/gate/self-signed.pem -noout -text | grep -q 'ASN1 OID: prime256v1'
ok $? "P-256"
before=$(openssl x509 -in state/gate/self-signed.pem -noout -fingerprint)
if command -v ss >/dev/null; then
    is "$(ss -Htln "sport = :$port" | awk '{ print $4 }' | grep -vcE '^(127\.0\.0\.1|\[::1\]):')" 0 "only this machine"
else
    skip "only this machine" "no ss"
fi
# Commands over https, with a key.
local_api() { # PATH JSON
    curl -sS --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' -H 'Content-Type: application/json' "http://x$1" -d "$2"
}
local_api /v1/services '{"name":"ci"}' >/dev/null
local_api /v1/bindings '{"role":"auditor","subject":"ci"}' >/dev/null
BARTIZAN_KEY=$(local_api /v1/keys '{"principal":"ci","name":"k"}' | jq -r .secret)
BARTIZAN_CA=$work/state/gate/self-signed.pem
export BARTIZAN_KEY BARTIZAN_CA
run 0 access service list --server "$url" --format json
is "$(jq -r '.items[].name' .out)" ci "a command over https"
run 5 access user add eve --server "$url/"
unset BARTIZAN_CA
run 4 access service list --server "$url"
unset BARTIZAN_KEY
is "$(get -H 'Authorization: Bearer btz_no' -H 'Cookie: __Host-bartizan=x' "$url/v1/me" -o /dev/null -w '%{http_code}')" 400 "one credential at a time"
# A request that comes drop by drop is cut off, others go on.
(printf 'GET /v1/health HTTP/1.1\r\nHost: localhost\r\nX-'; for _ in $(seq 14); do sleep 1; printf a; done) 2>/dev/null |
    timeout 30 openssl s_client -quiet -connect "localhost:$port" -CAfile state/gate/self-signed.pem >drops 2>/dev/null &
drops=$!
is "$(code "$url/v1/health")" 200 "others go on meanwhile"
begun=$(date +%s)
wait "$drops"
[ $(($(date +%s) - begun)) -le 25 ] && ! grep -q '"status":"ok"' drops
ok $? "a slow request is cut off"

# Either end is the end of both.
kill -9 "$(cat state/gate/nginx.pid)"
status=0
wait "$gate" || status=$?
gate=
is "$status" 4 "when nginx is killed, the daemon stops"
grep -q 'nginx was killed by signal 9' gate.err
ok $? "and it says why"
soon_closed
ok $? "and no worker serves on"
start
is "$(openssl x509 -in state/gate/self-signed.pem -noout -fingerprint)" "$before" "the certificate is kept"
kill -9 "$gate"
wait "$gate" 2>/dev/null
gate=
soon_closed
ok $? "when the daemon is killed, nginx stops"

# A given certificate, and client certificates.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout server.key -out server.pem 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ca -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=alice -keyout alice.key -out alice.csr 2>/dev/null
openssl x509 -req -in alice.csr -CA ca.pem -CAkey ca.key -days 30 -out alice.pem 2>/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=alice -keyout fake.key -out fake.pem 2>/dev/null
start --certificate server.pem --key server.key --client-ca ca.pem
is "$(curl -sS --cacert server.pem "$url/v1/health")" '{"status":"ok"}' "a given certificate"
is "$(curl -sS --cacert server.pem --cert alice.pem --key alice.key "$url/v1/health")" '{"status":"ok"}' "a client certificate of the authority"
is "$(curl -sS --cacert server.pem --cert alice.pem --key alice.key -o /dev/null -w '%{http_code}' "$url/v1/users")" 401 "of somebody unknown"
is "$(curl -sS --cacert server.pem --cert fake.pem --key fake.key -o /dev/null -w '%{http_code}' "$url/v1/health")" 400 "another authority's is refused"
stop TERM
is "$status" 0 "stops cleanly"

run 2 gate run --state state --listen nonsense
run 2 gate run --state state --listen example.org:443
run 2 gate run --state state --listen ::1:443
run 2 gate run --state state --certificate server.pem
run 3 gate run --state state --certificate server.pem --key ca.key
says .err "does not belong"
run 4 gate run --state state --certificate missing.pem --key server.key
done_testing
