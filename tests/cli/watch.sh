#!/bin/sh
# `bartizan watch`: two sockets for their owner alone, clean ends, no second daemon, nothing lost by kill -9.
. "$(dirname "$0")/tap.sh"

daemon=
trap '[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null; cd /; rm -rf "$work"' EXIT
start() {
    : >path
    env --default-signal=INT "$bartizan" watch --state state >path 2>daemon.err &
    daemon=$!
    for _ in $(seq 400); do
        [ -s path ] && break
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.05
    done
}
stop() { # SIGNAL
    kill -"$1" "$daemon"
    status=0
    wait "$daemon" || status=$?
    daemon=
}
api() { # CURL-ARGUMENT...
    curl -sS --max-time 20 --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' "$@"
}

for signal in TERM INT; do
    start
    is "$(cat path)" "$work/state/access/api.sock" "the path of the socket is printed when it is ready"
    is "$(stat -c '%a %a' state/access/api.sock)" "600 600" "the socket is for its owner"
    is "$(stat -c %a state/access/local.sock)" 600 "and so is the local one"
    is "$(curl -sS --max-time 20 --unix-socket state/access/api.sock http://localhost:8443/v1/health)" '{"status":"ok"}' "it answers"
    stop $signal
    is "$status" 0 "$signal stops it cleanly"
    grep -q "nobody is administrator yet" daemon.err
    ok $? "a newcomer is told how to begin"
    is "$(grep -vc "nobody is administrator" daemon.err)" 0 "and otherwise it is quiet"
    [ ! -e state/access/api.sock ] && [ ! -e state/access/local.sock ]
    ok $? "no socket is left"
done

start
is "$(api http://x/v1/users -o /dev/null -w '%{http_code}')" 200 "the owner is known at the local socket"
is "$(curl -sS --unix-socket state/access/local.sock http://x/v1/users -o /dev/null -w '%{http_code}')" 401 "but not unasked"
is "$(curl -sS --unix-socket state/access/api.sock -H 'X-Bartizan-Local: 1' http://localhost:8443/v1/users -o /dev/null -w '%{http_code}')" 401 "and not at the other one"
is "$(api http://x/v1/users -H 'Content-Type: application/json' -d '{"name":"alice"}' -o alice.json -w '%{http_code}')" 201 "he adds a person"
# The same commands, asked of the daemon.
run 0 access user list --server state/access/local.sock
says .out alice
run 0 access user add bob --display-name "Bob B" --server "$work/state/access/local.sock"
run 0 access user show bob --server state/access/local.sock --format json
is "$(jq -r .display_name .out)" "Bob B" "fields arrive"
run 3 access user show nobody --server state/access/local.sock
says .err "no such"
run 2 access user list --server state/access/api.sock
run 4 access user list --server state/access/none.sock
run 2 access user list --server https://localhost:1
says .err BARTIZAN_KEY
run 2 access user list --server http://localhost:1
run 2 watch --state state extra
status=0
"$bartizan" watch --state state >.out 2>.err || status=$?
[ "$status" -ne 0 ]
ok $? "a second daemon is refused"
says .err "another daemon"
is "$(api http://x/v1/users/alice -o /dev/null -w '%{http_code}')" 200 "the first goes on"

kill -9 "$daemon"
wait "$daemon" 2>/dev/null
daemon=
[ -e state/access/api.sock ]
ok $? "kill -9 leaves the socket"
start
is "$(api http://x/v1/users/alice -o /dev/null -w '%{http_code}')" 200 "the next daemon takes over, with what was there"
stop TERM
run 0 ledger verify --state state
done_testing
