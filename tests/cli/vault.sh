#!/bin/sh
# The vault behind real nginx: uploads with a second factor, quarantine, release, ranges against the whole file, changes
# of registered files found, and who may do what. cmp(1) and sha256sum(1) say what is right.
. "$(dirname "$0")/tap.sh"

gate=
trap '[ -z "$gate" ] || kill -9 "$gate" 2>/dev/null; cd /; rm -rf "$work"' EXIT
: >url
cat >bartizan.yaml <<'YAML'
state: state
access:
  artifact_max: 8000000
YAML
env --default-signal=INT "$bartizan" gate run --listen localhost:0 >url 2>gate.err &
gate=$!
for _ in $(seq 400); do
    [ -s url ] && break
    kill -0 "$gate" 2>/dev/null || break
    sleep 0.05
done
url=$(cat url)
get() { # CURL-ARGUMENT...
    curl -sS --max-time 30 --cacert state/gate/self-signed.pem "$@"
}
code() { # CURL-ARGUMENT...
    get -o body -D head -w '%{http_code}' "$@"
}
local_api() { # PATH JSON
    curl -sS --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' -H 'Content-Type: application/json' "http://x$1" -d "$2"
}
header() { # NAME: of the last answer
    tr -d '\r' <head | sed -n "s/^$1: //Ip" | tail -n 1
}
alarms() {
    curl -sS --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' 'http://x/v1/audit?event=alarm' | jq '.items | length'
}

# ---- people, services and keys ----
for name in reader writer releaser; do
    local_api /v1/services "{\"name\":\"$name\"}" >/dev/null
done
cat >roles.yaml <<'YAML'
policy: vault
roles:
  fetches:
    rules: [{id: f, effect: allow, actions: [artifact.list, artifact.read], resources: ["artifact/net*"]}]
  writes:
    rules: [{id: w, effect: allow, actions: [artifact.write], resources: ["artifact/*"]}]
  releases:
    rules: [{id: r, effect: allow, actions: [artifact.read, artifact.release, artifact.delete], resources: ["artifact/*"]}]
YAML
run 0 access policy set vault roles.yaml
local_api /v1/bindings '{"role":"fetches","subject":"reader"}' >/dev/null
local_api /v1/bindings '{"role":"writes","subject":"writer"}' >/dev/null
local_api /v1/bindings '{"role":"releases","subject":"releaser"}' >/dev/null
key() { # SERVICE [SCOPE]
    local_api /v1/keys "{\"principal\":\"$1\",\"name\":\"k\"${2:+,\"scopes\":[$2]}}" | jq -r .secret
}
reader="Authorization: Bearer $(key reader)"
unscoped="Authorization: Bearer $(key writer)"
writer="Authorization: Bearer $(key writer '"artifact.write artifact/*"')"
releaser="Authorization: Bearer $(key releaser '"artifact.release artifact/*","artifact.read artifact/*"')"

# ---- uploads ----
head -c 3000000 /dev/urandom >model
sum=$(sha256sum <model | cut -d' ' -f1)
is "$(code -T model "$url/artifacts/net")" 401 "nobody uploads"
is "$(jq -r .type body)" "urn:bartizan:problem:unknown-caller" "and is told so"
is "$(code -H "$reader" -T model "$url/artifacts/net")" 403 "nor who may only read"
is "$(code -H "$unscoped" -T model "$url/artifacts/net")" 403 "nor a key whose scopes do not say so"
is "$(find state/vault -type f | grep -vcE '/v?key$')" 0 "nothing of them is kept"
is "$(find state/gate/temp/client_body -type f | wc -l)" 0 "nor spooled"
is "$(code -H "$writer" -H "X-Bartizan-Body-File: /etc/passwd" -T model "$url/artifacts/net?kind=model&digest=$sum")" 201 "an upload"
is "$(jq -r '[.name,.version,.state,.kind,.digest,.size]|@csv' body)" "\"net\",1,\"quarantined\",\"model\",\"sha256:$sum\",3000000" "is the file that was sent, whatever a header says, in quarantine"
cmp model "state/vault/$sum"
ok $? "its bytes lie in the vault"
is "$(stat -c %a "state/vault/$sum") $(stat -c %a state/vault)" "400 700" "for their owner alone"
is "$(find state/gate/temp/client_body -type f | wc -l)" 0 "the spooled file is gone"
is "$(code -H "$writer" -T model "$url/artifacts/net")" 409 "the same bytes are no new version"
is "$(code -H "$writer" -T model "$url/artifacts/other?digest=$(echo x | sha256sum | cut -d' ' -f1)")" 400 "bytes of another digest than was said"
is "$(code -H "$writer" -T model "$url/artifacts/other?kind=nonsense")" 400 "a kind that is none"
is "$(code -H "$writer" -T model -H 'Idempotency-Key: a' "$url/artifacts/other")" 400 "no idempotency keys"
head -c 8000001 /dev/zero >big
is "$(code -H "$writer" -T big "$url/artifacts/other")" 413 "one byte more than artifact_max"
is "$(jq -r .type body)" "urn:bartizan:problem:refused" "and is told so, in JSON"
is "$(code -H "$writer" -X PUT "$url/artifacts/other")" 400 "without bytes"
for name in 'a@1' '..%2fescape' 'a%2fb' '.hidden' 'a/b'; do
    status=$(code -H "$writer" -T model "$url/artifacts/$name" --path-as-is)
    case $status in 40[0-9] | 413) true ;; *) false ;; esac
    ok $? "no artifact is called $name ($status)"
done
is "$(code -H "$writer" -H "X-Bartizan-Body-File: $work/model" -X POST "$url/v1/artifacts/net/versions")" 400 "a client names no file of this machine"

# A client that goes away in the middle of it.
timeout 0.7 curl -sS --cacert state/gate/self-signed.pem -H "$writer" --limit-rate 500k -T big -H 'Content-Length: 7000000' "$url/artifacts/cut" >/dev/null 2>&1
for _ in $(seq 100); do
    [ "$(find state/gate/temp/client_body -type f | wc -l)" = 0 ] && break
    sleep 0.05
done
is "$(find state/gate/temp/client_body -type f | wc -l)" 0 "an upload that is cut off leaves nothing"
is "$(curl -sS --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' 'http://x/v1/artifacts?name=cut' | jq '.items | length')" 0 "and registers nothing"

# With a password alone, then with a second factor.
invited() { # USER: prints a cookie
    token=$(local_api "/v1/users/$1/invite" '{}' | jq -r .link | sed 's/.*#//')
    get -o /dev/null -D - -H "Origin: $url" -H 'Content-Type: application/json' "$url/v1/enrol" -d "{\"token\":\"$token\",\"password\":\"correct horse battery $1\"}" |
        tr -d '\r' | sed -n 's/^set-cookie: \([^;]*\).*/\1/Ip'
}
local_api /v1/users '{"name":"ed"}' >/dev/null
local_api /v1/bindings '{"role":"writes","subject":"ed"}' >/dev/null
cookie=$(invited ed)
head -c 2000 /dev/urandom >second
as_ed() { # CURL-ARGUMENT...
    get -b "$cookie" -H "Origin: $url" -H 'X-Bartizan-CSRF: 1' "$@"
}
is "$(as_ed -o body -w '%{http_code}' -T second "$url/artifacts/net")" 403 "a password is not enough"
is "$(jq -r .needs body)" step-up "a fresh second factor is needed"
is "$(get -b "$cookie" -o body -w '%{http_code}' -T second "$url/artifacts/net")" 403 "nor is a cookie that another site sends"
secret=$(as_ed -X POST "$url/v1/me/totp" | jq -r .secret)
as_ed -o body -H 'Content-Type: application/json' "$url/v1/me/totp/confirm" -d "{\"code\":\"$(oathtool --totp --base32 "$secret")\"}" -D - |
    tr -d '\r' | sed -n 's/^set-cookie: \([^;]*\).*/\1/Ip' >renewed
[ -s renewed ] && cookie=$(cat renewed)
is "$(as_ed -o body -w '%{http_code}' -T second "$url/artifacts/net")" 201 "with a second factor he uploads"
is "$(jq -r '.version' body)" 2 "the next version"

# ---- quarantine and release ----
is "$(code -H "$reader" "$url/artifacts/net")" 404 "nothing is released"
is "$(code -H "$reader" "$url/artifacts/net@1")" 403 "nobody is served what is in quarantine"
is "$(code -H "$releaser" "$url/artifacts/net@1")" 200 "but who may release it"
cmp -s model body
ok $? "sees what it is"
is "$(code -H "$reader" -X POST "$url/v1/artifacts/net/versions/1/release")" 403 "not everybody releases"
is "$(code -H "$releaser" -X POST "$url/v1/artifacts/net/versions/1/release")" 200 "a release"

# ---- serving ----
is "$(code "$url/artifacts/net")" 401 "nobody is served"
is "$(code -H "$unscoped" "$url/artifacts/net")" 403 "nor who may not read"
is "$(code -H "$reader" "$url/artifacts/net")" 200 "who may, is"
cmp -s model body
ok $? "all of it"
is "$(header etag)" "\"sha256:$sum\"" "the entity tag is the digest"
is "$(header content-type) $(header x-content-type-options) $(header content-disposition)" 'application/octet-stream nosniff attachment; filename="net"' "no browser makes anything of it"
is "$(code -H "$reader" -I "$url/artifacts/NET@1")" 200 "HEAD, in any spelling"
is "$(header content-length)" 3000000 "says its size"
ranges=0
for range in 0-0 0-99 1000000-1999999 2999999-2999999 1048570-1048590 -17 2000000-; do
    get -H "$reader" -r "$range" -o part -w '%{http_code}' "$url/artifacts/net@latest" >status
    case $range in
    -*) tail -c "${range#-}" model >wanted ;;
    *-) tail -c +$((${range%-} + 1)) model >wanted ;;
    *) tail -c +$((${range%-*} + 1)) model | head -c $((${range#*-} - ${range%-*} + 1)) >wanted ;;
    esac
    [ "$(cat status)" = 206 ] && cmp -s part wanted && ranges=$((ranges + 1))
done
is "$ranges" 7 "seven ranges are those of the file"
is "$(code -H "$reader" -r 3000000- "$url/artifacts/net")" 416 "behind the end is nothing"
is "$(code -H "$reader" -r 0-9 -H "If-Range: \"sha256:$sum\"" "$url/artifacts/net")" 206 "a range of this version"
is "$(code -H "$reader" -r 0-9 -H 'If-Range: "sha256:00"' "$url/artifacts/net")" 200 "all of it where another was meant"
is "$(code -H "$reader" -H "If-None-Match: \"sha256:$sum\"" "$url/artifacts/net")" 304 "who has it gets it not again"
is "$(code -H "$reader" -H 'If-Match: "sha256:00"' "$url/artifacts/net")" 412 "nor who wants another one"
is "$(code -H "$reader" "$url/artifacts/other")" 403 "other names, other permissions"
is "$(code -H "$releaser" "$url/artifacts/none")" 404 "what is not there"
for path in /.vault/ "/.vault/$sum" /.vault-upload/x /.vault-allowed /artifacts/ /artifacts/net@0x1 "/artifacts/net@1/../../x"; do
    status=$(code -H "$releaser" --path-as-is "$url$path")
    case $status in 40[0-9]) true ;; *) false ;; esac
    ok $? "$path is no way in ($status)"
done
is "$(curl -sS --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' -o /dev/null -w '%{http_code}' "http://x/v1/artifacts/net/versions/1/content")" 409 "the socket sends no files"
run 0 access log --event export --format json
[ "$(jq '[.items[]|select(.operation=="artifact.fetch" and .verdict=="allow")]|length' .out)" -ge 10 ]
ok $? "every access is in the trail"

# ---- manifests, offline ----
run 0 access artifact manifest net 1
cp .out manifest
cp state/vault/vkey vkey
run 0 access artifact check model manifest --vkey vkey
says .out "net@1: 3000000 bytes, sha256:$sum, signed by bartizan-vault"
cp model changed
printf X | dd of=changed bs=1 seek=2500000 conv=notrunc 2>/dev/null
run 3 access artifact check changed manifest --vkey vkey
says .err "bytes 2097152 to 2999999 (chunk 2)"
run 3 access artifact check second manifest --vkey vkey
sed 's/"version":1/"version":9/' manifest >forged
run 5 access artifact check model forged --vkey vkey

# ---- from a file, by the owner ----
run 0 access artifact upload owned second --kind dataset
run 0 access artifact release owned 1
run 0 access artifact list --status released --format json
is "$(jq -r '[.items[].name]|sort|join(" ")' .out)" "net owned" "what is released"
run 3 access artifact show owned 7

run 0 access store backup my.backup
cp -r state/vault vault.copy

# ---- changes ----
is "$(alarms)" 0 "no alarm yet"
chmod 600 "state/vault/$(sha256sum <second | cut -d' ' -f1)"
printf X | dd of="state/vault/$(sha256sum <second | cut -d' ' -f1)" bs=1 seek=5 conv=notrunc 2>/dev/null
is "$(code -H "$releaser" "$url/artifacts/owned")" 409 "a changed file is not served"
[ "$(alarms)" -ge 1 ]
ok $? "there is an alarm"
chmod 600 "state/vault/$sum"
printf X | dd of="state/vault/$sum" bs=1 seek=2500000 conv=notrunc 2>/dev/null
is "$(code -H "$reader" "$url/artifacts/net")" 409 "nor a large one that was touched"
for _ in $(seq 200); do
    [ "$(alarms)" -ge 2 ] && break
    sleep 0.05
done
is "$(alarms)" 2 "the daemon has read it"
is "$(curl -sS --unix-socket state/access/local.sock -H 'X-Bartizan-Local: 1' http://x/v1/artifacts/net/versions/1 | jq -r .state)" damaged "it is damaged"
is "$(code -H "$reader" "$url/artifacts/net@1")" 409 "and refused"
grep -q 'ALARM: artifact/net@1' gate.err
ok $? "the log says so"
run 0 ledger verify --state state

kill -TERM "$gate"
status=0
wait "$gate" || status=$?
gate=
is "$status" 0 "stops cleanly"

# ---- back from a backup: the store, the key that seals it, and the files ----
mkdir -p other/access
cp state/access/seal.key other/access/
cp -r vault.copy other/vault
run 0 access store restore my.backup --state other
for version in net/1 net/2 owned/1; do
    run 0 access artifact verify "${version%/*}" "${version#*/}" --state other
done
run 0 access artifact list --status released --state other --format json
is "$(jq -r '[.items[].name]|sort|join(" ")' .out)" "net owned" "what was released is in force"
run 0 access log --event alarm --state other --format json
is "$(jq '[.items[]|select(.operation!="store.restore")]|length' .out)" 0 "files that were copied are no change"
rm -f "other/vault/$sum"
run 4 access artifact verify net 1 --state other
says .err "the file is gone"
cp "vault.copy/$sum" other/vault/
run 0 access artifact verify net 1 --state other
says .out "state: quarantined"
done_testing
