#!/bin/sh
# `bartizan demo target`: ready when its address is printed, stopped by a signal, wrong options refused.
. "$(dirname "$0")/tap.sh"

assistant=
gate=
trap 'kill $assistant $gate 2>/dev/null; cd /; rm -rf "$work"' EXIT
start() { # OPTION...
    : >url
    # A shell without job control starts programs in the background with SIGINT ignored.
    env --default-signal=INT "$bartizan" demo target --port 0 "$@" >url 2>target.err &
    assistant=$!
    for _ in $(seq 200); do
        [ -s url ] && break
        sleep 0.05
    done
    url=$(cat url)
}
stop() { # SIGNAL
    kill -"$1" "$assistant"
    status=0
    wait "$assistant" || status=$?
    assistant=
}

for signal in TERM INT; do
    start --defence filter --manifest manifest.json --write-config demo.yaml --seed 3
    is "$(printf '%s' "$url" | sed -E 's/:[0-9]+/:N/')" "http://127.0.0.1:N/v1" "the address is printed when it is ready"
    stop $signal
    is "$status" 0 "$signal stops it cleanly"
    is "$(cat target.err)" "" "and quietly"
done
is "$(jq -r .defence manifest.json)" filter "the manifest names the defence"
is "$(jq '.weaknesses | length' manifest.json)" 16 "and lists the weaknesses"
is "$(jq '[.secrets, .canaries, .documents] | map(length > 0) | all' manifest.json)" true "and what is planted"
is "$(stat -c %a demo.yaml)" 600 "the configuration is for its owner"
run 0 --config demo.yaml config check

start
run 4 demo target --port "$(printf '%s' "$url" | sed -E 's/.*:([0-9]+).*/\1/')"
says .err "127.0.0.1"
stop TERM
run 2 demo target --defence nonsense
says .err "none, filter, strict, ideal"
run 2 demo target --faults 2
run 2 demo target --port 70000
run 4 demo target --port 0 --manifest /nonexistent/folder/manifest.json

# Before and after: the same attacks on the assistant and on the gateway in front of it.
run 2 demo compare one.json
run 4 demo compare none.json none.json
if [ -s "$BTZ_BUILD/src/gate/nginx/ngx_http_bartizan_module.so" ]; then
    start --defence none --write-config before.yaml --write-gate gate.yaml
    run 0 --config gate.yaml config check
    sed -i 's/effort: standard/effort: quick/' before.yaml
    run 1 --config before.yaml --state state scan --report json=before.json
    gated() { "$bartizan" --config gate.yaml --state gate access "$@"; }
    gated service add scanner >/dev/null && gated role give user scanner >/dev/null
    ok $? "a program with a role"
    DEMO_KEY=$(gated key add scanner --name demo | sed -n 's/^secret: //p')
    export DEMO_KEY
    : >gate.url
    "$bartizan" --config gate.yaml --state gate gate run --listen localhost:0 --http 127.0.0.1:0 >gate.url 2>gate.err &
    gate=$!
    for _ in $(seq 400); do
        grep -q '^http:' gate.url && break
        kill -0 "$gate" 2>/dev/null || break
        sleep 0.05
    done
    sed "s|^    url: .*|    url: \"$(grep '^http:' gate.url)/v1\"\n    key: \${DEMO_KEY}|" before.yaml >after.yaml
    "$bartizan" --config after.yaml --state state scan --report json=after.json >.out 2>.err
    [ $? -le 1 ]
    ok $? "the same attacks through the gateway"
    count() { # FILE RULE: successes
        jq "[.findings[] | select(.rule == \"$2\" and .n > 0) | .k] | add // 0" "$1"
    }
    [ "$(count before.json redteam.leak.secret)" -gt 0 ] && [ "$(count after.json redteam.leak.secret)" = 0 ]
    ok $? "no secret comes out any more"
    is "$(count after.json redteam.utility.over-refusal)" 0 "ordinary requests are answered"
    run 0 demo compare before.json after.json --gate gate
    is "$(sed -n 's/^redteam.leak.secret  *\([0-9]*\)\/.*/\1/p' .out)" "$(count before.json redteam.leak.secret)" "the table counts what the report has"
    grep -qE '^redteam.leak.secret .* 0/[0-9]+ +0% \[0-[0-9]+\]$' .out
    ok $? "with intervals"
    grep -qE '^canary +[1-9]' .out
    ok $? "and what the detectors hit"
    kill -TERM "$gate"
    status=0
    wait "$gate" || status=$?
    gate=
    is "$status" 0 "the gateway stops cleanly"
    stop TERM
else
    skip "before and after the gateway" "the module is not built"
fi
done_testing
