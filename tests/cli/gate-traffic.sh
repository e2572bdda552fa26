#!/bin/sh
# Model traffic through `bartizan gate run`: real nginx with the module, before a mock upstream.
. "$(dirname "$0")/tap.sh"

mock=$BTZ_BUILD/tests/gateway/mock_upstream
if [ ! -f "$BTZ_BUILD/src/gate/nginx/ngx_http_bartizan_module.so" ] || [ ! -x "$mock" ]; then
    skip "model traffic" "this build has no module"
    done_testing
    exit 0
fi
gate= mocks= own=
trap 'for p in $gate $mocks $own; do kill -9 "$p" 2>/dev/null; done; cd /; rm -rf "$work"' EXIT
wait_for() { # FILE: until something is in it
    for _ in $(seq 400); do
        [ -s "$1" ] && return
        sleep 0.05
    done
}
"$mock" >mock1 & mocks="$mocks $!"
"$mock" >mock2 & mocks="$mocks $!"
wait_for mock1
wait_for mock2
# Two TLS servers of one certificate: whether it is trusted is the upstream's setting.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.pem 2>/dev/null
openssl s_server -4 -accept 0 -naccept 9 -cert tls.pem -key tls.key -www >tls.out 2>/dev/null & mocks="$mocks $!"
for _ in $(seq 200); do
    tls=$(sed -n 's/^ACCEPT .*:\([0-9]*\)$/\1/p' tls.out)
    [ -n "$tls" ] && break
    sleep 0.05
done
cat >bartizan.yaml <<END
gate:
  http: 127.0.0.1:0
  workers: 2
  body_max: 12000000
  upstreams:
    - {name: dead, url: "http://127.0.0.1:9"}
    - {name: one, url: "http://127.0.0.1:$(cat mock1)", credential: "\${ONE_KEY}"}
    - {name: two, url: "http://127.0.0.1:$(cat mock2)"}
    - {name: known, url: "https://localhost:$tls", ca_file: $work/tls.pem}
    - {name: stranger, url: "https://localhost:$tls"}
  models:
    - {name: plain, upstreams: [{upstream: one}]}
    - {name: spare, upstreams: [{upstream: dead}, {upstream: two, weight: 0}]}
    - {name: busy, upstreams: [{upstream: one}, {upstream: two, weight: 0}]}
    - {name: gone, upstreams: [{upstream: dead}]}
  routes:
    - {path: /ws, methods: [GET], upstream: one, action: endpoint.use, resource: endpoint/ws, websocket: true}
    - {path: /known, methods: [GET], upstream: known, action: endpoint.use, resource: endpoint/known}
    - {path: /stranger, methods: [GET], upstream: stranger, action: endpoint.use, resource: endpoint/stranger}
  guard:
    canaries: [zanzibar-canary-41]
    rules:
      - {detector: canary, channels: [user], action: block}
END
ONE_KEY=sk-of-the-upstream
export ONE_KEY
start() {
    : >urls
    "$bartizan" gate run --state state --listen localhost:0 >urls 2>gate.err &
    gate=$!
    for _ in $(seq 400); do
        [ "$(wc -l <urls)" -ge 2 ] && break
        kill -0 "$gate" 2>/dev/null || break
        sleep 0.05
    done
    https=$(sed -n 1p urls)
    url=$(sed -n 2p urls)
}
start
[ -n "$url" ]
ok $? "two addresses are printed"
case $url in http://127.0.0.1:*) true ;; *) false ;; esac
ok $? "the plain one is of this machine"
! grep -rq sk-of-the-upstream state/gate/nginx.conf
ok $? "no secret is in the configuration of nginx"

local_api() { # PATH JSON
    curl -sS --max-time 20 --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' -H 'Content-Type: application/json' "http://x$1" -d "$2"
}
local_api /v1/services '{"name":"app"}' >/dev/null
local_api /v1/bindings '{"role":"user","subject":"app"}' >/dev/null
local_api /v1/policies '{"name":"doors","body":"rules:\n  - {id: doors, to: [app], actions: [endpoint.use], resources: [\"endpoint/*\"]}\n"}' >policy.out
key=$(local_api /v1/keys '{"principal":"app","name":"k"}' | jq -r .secret)
ask() { # PATH CURL-ARGUMENT...
    path=$1
    shift
    curl -sS --max-time 90 -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$url$path" "$@"
}
chat() { # MODEL TEXT CURL-ARGUMENT...
    model=$1 text=$2
    shift 2
    ask /v1/chat/completions -d "{\"model\":\"$model\",\"messages\":[{\"role\":\"user\",\"content\":\"$text\"}]}" "$@"
}
stream() { # MODEL TEXT CURL-ARGUMENT...
    model=$1 text=$2
    shift 2
    ask /v1/chat/completions -N -d "{\"model\":\"$model\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"$text\"}]}" "$@"
}
seen() { # what the first mock has seen since the last time
    curl -sS --max-time 20 "http://127.0.0.1:$(cat mock1)/_seen" | jq -r '.[] | .head, .body' | tr -d '\r'
}
code() {
    "$@" -o /dev/null -w '%{http_code}'
}

# Who, and where to. The permissions reach the workers when they look next.
for _ in $(seq 100); do
    [ "$(code chat plain hello)" = 200 ] && break
    sleep 0.05
done
chat plain hello -D head >answer
is "$(jq -r '.choices[0].message.content' answer)" "Hello from the mock." "a key opens the door"
for name in X-Bartizan-Request-Id X-Bartizan-Guard X-Bartizan-Overhead-Ms; do
    grep -qi "^$name: ." head
    ok $? "the answer says $name"
done
id=$(tr -d '\r' <head | sed -n 's/^X-Bartizan-Request-Id: //Ip')
for _ in $(seq 100); do
    "$bartizan" access log --state state --request "$id" --format json >entry
    [ "$(jq '.items | length' entry)" != 0 ] && break
    sleep 0.05
done
for _ in $(seq 100); do
    "$bartizan" access key list --state state --format json >keys
    [ "$(jq '[.items[] | select(.last_used)] | length' keys)" != 0 ] && break
    sleep 0.05
done
is "$(jq '[.items[] | select(.last_used)] | length' keys)" 1 "its key is one that was used"
is "$(jq -r '[.items[] | .request + " " + .call.model] | join(",")' entry)" "$id plain" "by which its entry is found, and it alone"
is "$(curl -sS --max-time 20 -o answer -w '%{http_code}' "$url/v1/chat/completions" -d '{"model":"plain"}')" 401 "nobody is refused"
is "$(jq -r .error.code answer)" invalid_api_key "in the words that SDKs know"
is "$(curl -sS --max-time 20 -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer btz_nonsense' "$url/v1/chat/completions" -d '{}')" 401 "a key that is none, too"
is "$(curl -sS --max-time 20 -o /dev/null -w '%{http_code}' -H "x-api-key: $key" "$url/v1/chat/completions" -d '{"model":"plain","messages":[]}')" 200 "a key in x-api-key"
is "$(code ask /v1/unknown)" 404 "there is no other route"
is "$(code ask '/v1/./chat/completions' --path-as-is)" 404 "paths are taken as they come"
is "$(curl -sS --max-time 20 -o /dev/null -w '%{http_code}' -H 'Host: rebound.example' "$url/v1/models")" 421 "nor another name of this machine"
is "$(ask /v1/models -o models -w '%{http_code}')" 200 "the list of models is ours"
is "$(code ask /.bartizan/who)" 404 "the daemon's door is no route"

grep -qi '^x-content-type-options: nosniff' head && grep -qi "^content-security-policy: default-src 'none'; sandbox" head
ok $? "nothing in it runs as a page"
! grep -qi '^content-disposition' head
ok $? "JSON is no download"

# What goes upstream.
seen >/dev/null
chat plain hello -H 'Cookie: a=b' -H 'X-Forwarded-For: 1.2.3.4' -H 'X-Bartizan-Local: 1' -H 'TE: trailers' -H 'Accept-Encoding: gzip' -H 'OpenAI-Beta: x=1' -H 'OpenAI-Organization: org' -H 'Idempotency-Key: guess-me' >/dev/null
seen >requests
grep -qi '^authorization: bearer sk-of-the-upstream' requests
ok $? "the upstream gets its own key"
! grep -qF "$key" requests
ok $? "and not the client's"
grep -qiE '^idempotency-key: [0-9a-f]{64}$' requests
ok $? "and a key of repetition that is this caller's alone"
! grep -qiE '^(cookie|x-forwarded-for|x-bartizan-local|te|openai-organization):' requests
ok $? "nor what else the client said of itself"
grep -qi '^accept-encoding: identity' requests && grep -qi '^openai-beta: x=1' requests
ok $? "what asks for a form of the answer goes along"
chat plain 'mock:evil=1; hello' -D head >/dev/null
! grep -qiE '^(set-cookie|x-accel|server: [^n]|x-bartizan-guard: .*evil|www-authenticate)' head
ok $? "headers that an upstream has no business with are dropped"

# Bodies: in memory, in a file, too large.
secret="AKIA$(printf 'Z7Q2%.0s' 1 2 3)WXYZ"
big() { # TEXT AT ITS END
    printf '{"model":"plain","messages":[{"role":"user","content":"mock:echo; '
    head -c 7000000 /dev/zero | tr '\0' ' '
    printf ' %s"}]}' "$1"
}
big "$secret" >big.json
is "$(ask /v1/chat/completions --data-binary @big.json -o answer -w '%{http_code}')" 200 "7 MB that lie in a file"
is "$(jq -j '.choices[0].message.content' answer | tail -c 9)" ' [secret]' "are read, and masked, to their end"
big zanzibar-canary-41 >big.json
is "$(ask /v1/chat/completions -H 'Transfer-Encoding: chunked' --data-binary @big.json -o answer -w '%{http_code}')" 403 "or blocked for what stands there, also without a length"
is "$(jq -r .error.code answer)" guard_blocked "in the words of the protocol"
for _ in 1 2; do cat big.json; done >huge.json
is "$(ask /v1/chat/completions --data-binary @huge.json -o answer -w '%{http_code}')" 413 "more than body_max is refused"
jq -e .error.message answer >/dev/null
ok $? "as JSON"

# Streams.
stream plain 'mock:slow=150; hello' >events &
own=$!
for _ in $(seq 200); do
    [ "$(grep -c '^data: {' events)" -ge 2 ] && break
    sleep 0.02
done
! grep -q '\[DONE\]' events
ok $? "events come one by one"
wait $own
own=
is "$(tail -n 2 events | head -n 1)" 'data: [DONE]' "to the end"
curl -sS --max-time 20 -X PUT "http://127.0.0.1:$(cat mock1)/_text/1" -d 'first words, then zanzibar-canary-41 and more' >/dev/null
stream plain 'mock:say=1,slow=5; go on' >events
! grep -q 'anary-41' events && ! grep -q zanzibar-canary events
ok $? "a canary never leaves"
tail -n 5 events | grep -q '"error"'
ok $? "the stream ends with an error"
stream plain 'mock:die=3; hello' >events
ok $? "a stream whose upstream dies ends in good order"
grep -q '"error"' events
ok $? "and says so"
is "$(ask /v1/chat/completions "$url/v1/chat/completions" -d '{"model":"plain","stream":true,"messages":[{"role":"user","content":"mock:die=3; hello"}]}' -o one -o two -w '%{num_connects},')" 1,0, "and its connection stays, as the answer said"
is "$(code chat plain 'mock:die=1; hello')" 502 "an answer that broke off is none"

# Reload while a stream is under way; what is wrong changes nothing.
stream plain 'mock:slow=200; hello' >events &
own=$!
wait_for events
run 0 gate reload --state state
says .err "has taken in"
wait $own
own=
grep -q '\[DONE\]' events
ok $? "a reload drops no stream"
cp bartizan.yaml good.yaml
sed -i 's/workers: 2/workers: 2\n  nonsense: 1/' bartizan.yaml
run 2 gate reload --state state
sed 's|workers: 2|workers: 2\n  shared_limits: redis://127.0.0.1:65536/0|' good.yaml >bartizan.yaml
run 2 gate reload --state state
says .err 'gate: `shared_limits`: expected a port from 1 to 65535, found "65536"'
"$(command -v nginx || echo /usr/sbin/nginx)" -t -c "$PWD/state/gate/nginx.conf" -p "$PWD/state/gate" 2>nginx.err
is "$? $(grep -c 'bartizan: settings: gate: `shared_limits`: expected a port' nginx.err)" "1 1" "nginx refuses such an address too"
cp good.yaml bartizan.yaml
is "$(code chat plain hello)" 200 "the old settings serve on"

# One upstream for another.
is "$(code chat spare hello)" 200 "a dead upstream is replaced"
is "$(code chat gone hello)" 502 "where there is no other, the client is told"
curl -sS --max-time 20 -o /dev/null "http://127.0.0.1:$(cat mock2)/v1/chat/completions" -d '{"model":"m","messages":[{"role":"user","content":"mock:status=503,once=71; hello"}]}'
is "$(code chat busy 'mock:status=503,once=71; hello')" 200 "one that is busy is replaced"
is "$(ask /known -o /dev/null -w '%{http_code}')" 200 "a certificate of a known authority"
ask /known -o /dev/null -D head
grep -qi '^content-type: text/html' head && grep -qi '^content-disposition: attachment' head
ok $? "a page of an upstream is one"
is "$(ask /stranger -o /dev/null -w '%{http_code}')" 502 "of another it is refused"

# HTTP/2.
is "$(curl -sS --max-time 20 --cacert state/gate/self-signed.pem -H "Authorization: Bearer $key" -H 'Content-Type: application/json' "$https/v1/chat/completions" -d '{"model":"plain","stream":true,"messages":[{"role":"user","content":"hello"}]}' -o events -w '%{http_code} %{http_version}')" "200 2" "a stream over HTTP/2"
grep -q '\[DONE\]' events
ok $? "to its end"

# Pages of browsers.
curl -sS --max-time 20 -X OPTIONS -H "Origin: $https" -H 'Access-Control-Request-Method: POST' -o /dev/null -D head "$url/v1/chat/completions"
grep -qi "^access-control-allow-origin: $https" head
ok $? "our own pages may ask"
is "$(curl -sS --max-time 20 -X OPTIONS -H 'Origin: https://evil.example' -H 'Access-Control-Request-Method: POST' -o /dev/null -w '%{http_code}' "$url/v1/chat/completions")" 403 "others may not"
is "$(curl -sS --max-time 20 -H 'Origin: https://evil.example' -H 'Cookie: __Host-bartizan=x' -o /dev/null -w '%{http_code}' "$url/v1/chat/completions" -d '{}')" 403 "nor with somebody's cookie"
is "$(curl -sS --max-time 20 -H "Origin: $https" -H 'X-Bartizan-CSRF: 1' -H 'Cookie: __Host-bartizan=x' -H 'Content-Type: application/json' -o /dev/null -w '%{http_code}' "$url/v1/chat/completions" -d '{}')" 401 "a cookie of nobody is nobody's"
is "$(curl -sS --max-time 20 -H 'Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhcHAifQ.x' -o /dev/null -w '%{http_code}' "$url/v1/chat/completions" -d '{}')" 401 "a token of nobody too"

is "$(curl -sS --max-time 20 -H 'Sec-Fetch-Site: cross-site' -H 'Cookie: a=b' -o /dev/null -w '%{http_code}' "$url/v1/models")" 403 "a browser that asks for another site"
is "$(curl -sS --max-time 20 -H "Origin: $https" -H 'X-Bartizan-CSRF: 1' -H 'Cookie: a=b' -H 'Content-Type: text/plain' -o answer -w '%{http_code}' "$url/v1/chat/completions" -d '{}')" 415 "nor what a form can send"

# Strangers in numbers are turned away before they are work; who is known is not.
for header in 'Authorization: Bearer btz_nonsense' 'Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhcHAifQ.x'; do
    curl -sS --max-time 60 -Z --parallel-max 30 -H "$header" -o /dev/null -w '%{http_code}\n' "$url/v1/models?[1-400]" >codes 2>/dev/null
    is "$(grep -vx 401 codes | sort -u)" 429 "many strangers at once are turned away (${#header})"
    is "$(code ask /v1/models)" 200 "and a caller is not"
done
sleep 1 # in the next second strangers are refused as before

# Bytes that no library would send.
if command -v node >/dev/null; then
    cat >raw.js <<'END'
const net = require("net");
const [port, file] = process.argv.slice(2);
const text = require("fs").readFileSync(file, "utf8").replace(/\r?\n/g, "\r\n");
const s = net.connect(+port, "127.0.0.1", () => s.write(text));
let got = "";
s.on("data", (d) => (got += d));
const end = () => { console.log((got.match(/HTTP\/1\.1 \d+/g) || []).map((l) => l.slice(9)).join(" ")); process.exit(); };
s.on("close", end);
setTimeout(end, 1000);
END
    port=${url##*:}
    raw() { # NAME: the request is on standard input
        cat >raw.txt
        node raw.js "$port" raw.txt
    }
    seen >/dev/null
    is "$(printf 'POST /v1/chat/completions HTTP/1.1\nHost: localhost\nAuthorization: Bearer %s\nContent-Length: 4\nTransfer-Encoding: chunked\n\n0\n\nGET /v1/models HTTP/1.1\nHost: localhost\n\n' "$key" | raw)" 400 "a length and chunks at once"
    is "$(printf 'POST /v1/chat/completions HTTP/1.1\nHost: localhost\nContent-Length: 4\nContent-Length: 5\n\nabcde' | raw)" 400 "two lengths"
    is "$(printf 'POST /v1/chat/completions HTTP/1.1\nHost: localhost\nTransfer-Encoding: xchunked\n\n0\n\n' | raw)" 501 "an unknown coding"
    is "$(printf 'GET /v1/models HTTP/1.1\nHost: localhost\nHost: evil\n\n' | raw)" 400 "two hosts"
    is "$(printf 'GET /v1/models HTTP/1.1\nHost: localhost\nConnection: close\nAuthorization: Bearer %s\nAuthorization: Bearer x\n\n' "$key" | raw)" 400 "two callers"
    is "$(seen | grep -c HTTP/1.1)" 0 "nothing of it reached the upstream"
    is "$(printf 'GET /v1/models HTTP/1.1\nHost: localhost\nAuthorization: Bearer %s\n\nGET /v1/models HTTP/1.1\nHost: localhost\nConnection: close\nAuthorization: Bearer %s\n\n' "$key" "$key" | raw)" "200 200" "two requests in one go are two"

    cat >ws.js <<'END'
const net = require("net"), crypto = require("crypto");
const [port, key] = process.argv.slice(2);
const s = net.connect(+port, "127.0.0.1");
s.write(`GET /ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: ${crypto.randomBytes(16).toString("base64")}\r\n\r\n`);
let buf = Buffer.alloc(0), open = false;
const send = (text) => {
  const p = Buffer.from(text), m = crypto.randomBytes(4);
  const h = p.length < 126 ? Buffer.from([0x81, 0x80 | p.length]) : Buffer.from([0x81, 0xfe, p.length >> 8, p.length & 255]);
  s.write(Buffer.concat([h, m, p.map((c, i) => c ^ m[i % 4])]));
};
s.on("data", (d) => {
  buf = Buffer.concat([buf, d]);
  if (!open) {
    const end = buf.indexOf("\r\n\r\n");
    if (end < 0) return;
    console.log(buf.toString("latin1", 9, 12), /extensions/i.test(buf.toString("latin1", 0, end)));
    buf = buf.subarray(end + 4);
    open = true;
    send("hello");
    send("x".repeat(5000));
  }
  while (buf.length >= 2) {
    let n = buf[1] & 127, at = 2;
    if (n === 126) { n = buf.readUInt16BE(2); at = 4; }
    if (buf.length < at + n) return;
    const p = buf.subarray(at, at + n);
    console.log(buf[0] & 15, n > 100 ? n : buf[0] === 0x88 ? p.readUInt16BE(0) : p.toString());
    if (n === 5000) send("say zanzibar-canary-41 now"); // which ends it, with what is still under way
    buf = buf.subarray(at + n);
  }
});
s.on("close", () => { console.log("closed"); process.exit(); });
setTimeout(() => process.exit(), 60000);
END
    node ws.js "$port" "$key" >frames
    is "$(tr '\n' ',' <frames)" "101 false,1 hello,1 5000,8 1008,closed," "a WebSocket, and what may not come out of it"
    is "$(curl -sS --max-time 5 -o /dev/null -w '%{http_code}' --http1.1 -H 'Connection: Upgrade' -H 'Upgrade: websocket' "$url/ws")" 401 "not without a caller"
else
    skip "raw bytes and WebSocket" "no node"
fi

# A worker dies: its streams break, everything else goes on.
worker=$(pgrep -P "$(cat state/gate/nginx.pid)" | head -n 1)
kill -9 "$worker"
okay=0
for _ in 1 2 3 4 5 6; do
    [ "$(code chat plain hello)" = 200 ] && okay=$((okay + 1))
done
is "$okay" 6 "a worker is killed: requests go on"
for _ in $(seq 100); do
    [ "$(pgrep -c -P "$(cat state/gate/nginx.pid)")" -ge 2 ] && break
    sleep 0.05
done
is "$(pgrep -c -P "$(cat state/gate/nginx.pid)")" 2 "and another takes its place"
kill -TERM "$gate"
status=0
wait "$gate" || status=$?
gate=
is "$status" 0 "all of it stops"

# An nginx of somebody's own, with a server of his hand.
"$bartizan" watch --state state >/dev/null 2>watch.err & own=$!
for _ in $(seq 200); do
    [ -S state/access/api.sock ] && break
    sleep 0.05
done
free=$(node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})' 2>/dev/null || echo 18099)
mkdir -p own/temp
{
    "$bartizan" gate config --state state --part main
    [ "$(id -u)" -ne 0 ] || echo "user root;"
    cat <<END
daemon off;
worker_processes 1;
pid $work/own/pid;
error_log stderr;
events { }
http {
    access_log off;
    client_body_temp_path own/temp/a; proxy_temp_path own/temp/b; fastcgi_temp_path own/temp/c; uwsgi_temp_path own/temp/d; scgi_temp_path own/temp/e;
END
    "$bartizan" gate config --state state --part http
    printf 'server { listen 127.0.0.1:%s;\n' "$free"
    "$bartizan" gate config --state state --part server
    printf '}\n}\n'
} >own.conf
"$(command -v nginx || echo /usr/sbin/nginx)" -p "$work" -c "$work/own.conf" -e stderr 2>own.err &
mocks="$mocks $!"
url=http://127.0.0.1:$free
for _ in $(seq 100); do
    [ "$(code chat plain hello 2>/dev/null)" = 200 ] && break
    sleep 0.05
done
is "$(chat plain hello | jq -r '.choices[0].message.content')" "Hello from the mock." "the module in another nginx"
is "$(curl -sS --max-time 20 -o /dev/null -w '%{http_code}' "$url/v1/chat/completions" -d '{}')" 401 "guards there too"
if command -v node >/dev/null; then
    # One worker. The last byte of a large body is sent, then a small request: it is answered first, although the large one is
    # refused as soon as it was read. Then clients that go away while theirs is being read.
    cat >large.js <<'END'
const net = require("net");
const [port, key] = process.argv.slice(2);
const ask = (text) => {
  const body = JSON.stringify({ model: "plain", messages: [{ role: "user", content: text }] });
  return `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};
const large = ask("some words go on and on. ".repeat(340000) + "zanzibar-canary-41");
const order = [];
const connect = (name) => new Promise((resolve) => {
  const s = net.connect(+port, "127.0.0.1", () => resolve(s));
  s.over = new Promise((ended) => s.on("close", ended));
  s.once("data", (d) => order.push(name + " " + d.toString("latin1", 9, 12)));
  s.on("error", () => {});
});
const write = (s, bytes) => new Promise((resolve) => s.write(bytes, resolve));
(async () => {
  const a = await connect("large"), b = await connect("small");
  await write(a, large.slice(0, -1));
  await write(a, large.slice(-1));
  await write(b, ask("hello"));
  await Promise.all([a.over, b.over]);
  for (let i = 0; i < 3; i++) {
    const gone = await connect("gone");
    await write(gone, large);
    const c = await connect("between");
    await write(c, ask("hello"));
    gone.destroy();
    await c.over;
  }
  const last = await connect("last");
  await write(last, ask("hello"));
  await last.over;
  console.log(order.join(","));
  process.exit();
})();
END
    is "$(timeout 120 node large.js "$free" "$key")" "small 200,large 403,between 200,between 200,between 200,last 200" "a large body keeps nobody waiting"
    for _ in $(seq 400); do # threads that still read for nobody
        [ "$(code chat plain "$(head -c 70000 /dev/zero | tr '\0' ' ')" --max-time 60)" = 200 ] && break
        sleep 0.05
    done
    ! grep -qE 'signal|alert' own.err
    ok $? "nor do those who went away break anything"
fi
sed 's/bartizan on;/bartizan on; proxy_pass http:\/\/127.0.0.1;/' own.conf >bad.conf
! "$(command -v nginx || echo /usr/sbin/nginx)" -t -p "$work" -c "$work/bad.conf" 2>bad.err && grep -q 'would not be guarded' bad.err
ok $? "a location that would not be guarded is no configuration"
run 2 gate run --state state2 --upstream http://127.0.0.1:1 --listen localhost:0
says .err "names upstreams already"

# The quick start: an address and its key, no file.
mkdir quick
cd quick || exit 1
BARTIZAN_UPSTREAM_KEY=sk-quick "$bartizan" gate run --state state --listen localhost:0 --http 127.0.0.1:0 --upstream "http://127.0.0.1:$(cat ../mock2)/v1" >urls 2>gate.err &
gate=$!
for _ in $(seq 400); do
    [ "$(wc -l <urls)" -ge 2 ] && break
    sleep 0.05
done
url=$(sed -n 2p urls)
local_api /v1/services '{"name":"app"}' >/dev/null
local_api /v1/bindings '{"role":"user","subject":"app"}' >/dev/null
key=$(local_api /v1/keys '{"principal":"app","name":"k"}' | jq -r .secret)
for _ in $(seq 100); do
    [ "$(code chat any hello)" = 200 ] && break
    sleep 0.05
done
curl -sS --max-time 20 -o /dev/null "http://127.0.0.1:$(cat ../mock2)/_seen"
is "$(chat any hello | jq -r '.choices[0].message.content')" "Hello from the mock." "any model is that upstream's"
curl -sS --max-time 20 "http://127.0.0.1:$(cat ../mock2)/_seen" | jq -r '.[].head' | grep -qi '^authorization: bearer sk-quick'
ok $? "with its key"
kill -TERM "$gate"
wait "$gate" || true
gate=
done_testing
