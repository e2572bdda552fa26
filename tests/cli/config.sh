#!/bin/sh
# bartizan.yaml: what is refused, with which words, and what is never shown.
. "$BTZ_SOURCE/tests/cli/tap.sh"

run 2 config check
says .err "bartizan.yaml: there is no such file; \`bartizan init\` writes one"

write() { printf '%b' "$1" >bartizan.yaml; }

write ''
run 0 config check
says .out "bartizan.yaml: valid"
write 'title: [a, b\nseed: 1\n'
run 3 config check
says .err "bartizan.yaml:2:"
says .err "not YAML"
write 'title: a\ntitle: b\n'
run 3 config check
says .err "bartizan.yaml:2: key \`title\` stands twice, first on line 1"
write 'title:\n\tx: 1\n'
run 3 config check
says .err "bartizan.yaml:2:1: found a tab"
write 'a: &x 1\nb: *x\n'
run 3 config check
says .err "anchors"
write 'version: 1\n\nsupressions: []\n'
run 2 config check
says .err "bartizan.yaml:3: unknown key \`supressions\`; did you mean \`suppressions\`?"
write 'suppressions:\n  - rule: a\n    reson: b\n'
run 2 config check
says .err "bartizan.yaml:3: unknown key \`reson\` in suppression; did you mean \`reason\`?"
write 'threads: many\n'
run 2 config check
says .err "bartizan.yaml:1: \`threads\`: expected a whole number from 0 to 1024, found \`many\`"
write 'seed: -1\n'
run 2 config check
says .err "from 0 to 9007199254740992"
write 'fail_on: hihg\n'
run 2 config check
says .err "did you mean \`high\`?"
write 'suppressions: [{rule: a, reason: b, expires: tomorrow}]\n'
run 2 config check
says .err "expected a date such as 2027-01-31, found \`tomorrow\`"
write 'version: 7\n'
run 2 config check
says .err "use a newer bartizan"

# The environment: named when unset, never shown when set.
write 'title: x\nstate: "${BTZ_TEST_UNSET}"\n'
run 2 config check
says .err "bartizan.yaml:2: \`state\`: the environment variable BTZ_TEST_UNSET is not set"
BTZ_TEST_TOKEN=tok-5ecret
export BTZ_TEST_TOKEN
write 'threads: ${BTZ_TEST_TOKEN}\n'
run 2 config check
says .err "found the value of \`\${BTZ_TEST_TOKEN}\`"
silent .err "$BTZ_TEST_TOKEN"
write 'title: ${BTZ_TEST_TOKEN}\nmodels: [{name: m, url: "https://u:p4ssword@h/m"}]\n'
run 0 config check
silent .out "$BTZ_TEST_TOKEN"
says .out 'not evaluated: model m (line 2)'
run 0 config show --origin
says .out 'title = ${BTZ_TEST_TOKEN}  # ${BTZ_TEST_TOKEN} (bartizan.yaml:1)'
says .out 'models[0].url = https://(hidden)@h/m  # bartizan.yaml:2'
says .out 'state = .bartizan  # default'
silent .out "$BTZ_TEST_TOKEN"
silent .out p4ssword
run 0 config show
says .out 'fail_on = high'
silent .out '# default'

# What does not load is shown, and then said.
write 'threads: many\nseed: 7\n'
run 2 config show
says .out 'seed = 7'
says .err "expected a whole number"

# Other names, other places.
mkdir sub
write 'title: elsewhere\n'
mv bartizan.yaml sub/my.yaml
run 0 --config sub/my.yaml config check
says .out "sub/my.yaml: valid"
run 0 config check --config=sub/my.yaml
run 2 access user list --config sub/none.yaml
says .err "sub/none.yaml: No such file"
run 4 config check --config sub
says .err "sub"
# What only the guard itself knows is found too.
write 'gate: {guard: {rules: [{detector: pi, action: mask}]}}\n'
run 2 config check
says .err 'bartizan.yaml: gate: guard rule: unknown detector `pi`; did you mean `pii`?'
write 'gate: {guard: {canaries: ["${NOTHING}"]}}\n'
NOTHING= run 2 config check
says .err "one of 0 letters and digits"
# Who looks at keys and limits has not the secrets of upstreams; who checks the whole file needs them.
write 'gate: {upstreams: [{name: a, url: "http://127.0.0.1:9", credential: "${OF_UPSTREAM}"}]}\n'
run 2 config check
says .err "the environment variable OF_UPSTREAM is not set"
run 0 access user list
run 0 gate limits
run 4 gate reload
says .err 'no `bartizan gate run` serves'
write 'access: {seal_key: "${OF_STORE}"}\n'
run 2 access user list
says .err "OF_STORE is not set"
# Somebody else's state: whose, and what to do.
as_nobody="setpriv --reuid 65534 --clear-groups"
if [ "$(id -u)" = 0 ] && chmod 755 "$work" && $as_nobody "$bartizan" version >/dev/null 2>&1; then
    write ''
    mkdir -m 700 closed
    for command in "access log" "gate run" "gate limits"; do
        status=0
        $as_nobody "$bartizan" $command --state closed >.out 2>.err || status=$?
        is "$status" 4 "$command of another user is refused"
        says .err "the state folder closed belongs to root and is closed to others"
    done
else
    skip "somebody else's state" "needs root and setpriv"
fi
# Hostile text of the file does not steer the terminal.
printf '"\\e[2J": 1\n' >bartizan.yaml
run 2 config check
says .err '\x1b[2J'
# The keys of a practice, where this build has it.
write 'targets: [{name: a, preset: echo, key: sk-l1teral}]\n'
if "$bartizan" config check >/dev/null 2>&1; then
    run 0 config check
    says .err "holds a secret in clear"
    silent .err sk-l1teral
    says .out "not evaluated: endpoint a"
    run 0 config show
    says .out "targets[0].key = (hidden)"
    silent .out sk-l1teral
else
    skip "keys of targets" "this build has no practice with targets"
fi
done_testing
