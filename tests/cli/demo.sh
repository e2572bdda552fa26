#!/bin/sh
# `bartizan demo target`: ready when its address is printed, stopped by a signal, wrong options refused.
. "$(dirname "$0")/tap.sh"

assistant=
trap '[ -z "$assistant" ] || kill "$assistant" 2>/dev/null; cd /; rm -rf "$work"' EXIT
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
done_testing
