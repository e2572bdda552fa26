#!/bin/sh
# Models that only answer: trees in a file, rows of a table within constraints. tests/models/make_trees.py says what the trees are.
. "$(dirname "$0")/tap.sh"

trees="$BTZ_SOURCE/tests/models/trees.onnx"
awk 'BEGIN {
    print "age,income,member,late"
    for (i = 0; i < 60; i++) {
        age = 20 + i; income = 10 + (i * 37) % 80; member = i % 2
        print age "," income "," member "," ((income > 50 ? 1 : 0) + (age > 40 && member ? 1.5 : 0) > (income > 50 ? 0 : 1) ? 1 : 0)
    }
}' >table.csv
cat >columns.yaml <<'Y'
columns:
  - {name: age, column: 0, kind: integer, moves: up, low: 18, high: 99}
  - {name: income, column: 1, kind: integer}
  - {name: member, column: 2, immutable: true}
Y
table() { # STATUS OPTION...
    status=$1
    shift
    run "$status" --state state robust attack "$trees" --data table.csv --label-column late --no-signs --format json "$@"
}

run 2 robust attack "$trees" --data table.csv --label-column late --eps 1 --constraints columns.yaml
says .err "constraints are for norm l0"
table 1 --norm l0 --eps 2 --constraints columns.yaml --save broken -o l0.json --fail-on low
is "$(jq -r '[.findings[] | select(.rule == "redteam.evasion.tabular")] | length' l0.json)" 1 "tables are attacked with tabular"
is "$(jq -r '[.findings[] | select(.rule == "redteam.evasion.tabular")][0] | .k > 20 and .n == 60' l0.json)" true "most rows are broken"
table 1 --norm l0 --eps 2 --constraints columns.yaml -o again.json --fail-on low --threads 3
is "$(jq -c '[.findings[] | {rule, k, n}]' again.json)" "$(jq -c '[.findings[] | {rule, k, n}]' l0.json)" "threads change nothing"

# ---- what was written: nothing immutable changed, integers are integers, an age only grows ----
floats() { # NAME: values of an npy file, a row a line
    od -An -v -t f4 -w12 -j "$(($(od -An -t u2 -j 8 -N 2 "broken/$1.npy") + 10))" "broken/$1.npy"
}
floats original >x.txt
floats adversarial >adv.txt
paste x.txt adv.txt | awk '{
    if ($3 != $6) immutable++
    if ($4 != int($4) || $5 != int($5)) fraction++
    if ($4 < $1 || $4 > 99) age++
    if ($4 == $1 && $5 == $2) same++
} END { printf "%d %d %d %d %d\n", immutable, fraction, age, same, NR }' >kept.txt
is "$(cut -d' ' -f1-4 kept.txt)" "0 0 0 0" "every saved row is one that could exist, and another"
is "$(cut -d' ' -f5 kept.txt)" "$(jq -r '[.findings[] | select(.rule == "redteam.evasion.tabular")][0].k' l0.json)" "all that was broken is saved"

# ---- where nothing may change nothing is broken ----
cat >frozen.yaml <<'Y'
columns:
  - {name: age, column: 0, immutable: true}
  - {name: income, column: 1, immutable: true}
  - {name: member, column: 2, immutable: true}
Y
table 0 --norm l0 --eps 3 --constraints frozen.yaml -o frozen.json
is "$(jq -r '[.findings[] | select(.rule == "redteam.evasion.tabular")][0].k' frozen.json)" 0 "what may not change does not"

# ---- a norm: by questions, and not with gradients ----
table 1 --norm l2 --eps 30 --high 100 --queries 200 -o l2.json --fail-on low
is "$(jq -r '[.findings[] | select(.location | test("square")) | .k > 0][0]' l2.json)" true "trees are broken by questions"
table 2 --norm l2 --eps 30 --high 100 --attack pgd
says .err "pgd needs gradients"
table 2 --norm l0 --eps 1 --constraints columns.yaml --attack jsma
printf 'columns:\n  - {name: age, column: 9}\n' >wide.yaml
table 2 --norm l0 --eps 1 --constraints wide.yaml
says .err "the model has 3 inputs"

# ---- killed in the middle, again and again, and resumed: what comes out is what one run finds ----
awk 'NR == 1 { print } NR > 1 { row[NR] = $0 } END { for (k = 0; k < 60; k++) for (i = 2; i <= NR; i++) print row[i] }' table.csv >long.csv
long() { # STATE OUT OPTION...
    state=$1 out=$2
    shift 2
    $as "$bartizan" --state "$state" robust attack "$trees" --data long.csv --label-column late --norm l2 --eps 30 --high 100 --no-signs \
        --samples 0 --queries 900 --attack hopskipjump --alone --fail-on critical --threads 2 --format json -o "$out" "$@" >.out 2>.err
}
as=
long whole whole.json --save whole.npy --report html=whole.html
is "$?" 0 "one run"
grep -q 'Median distance over questions asked' whole.html
ok $? "the report has the median distance over questions"
jq -e '[.. | objects | select(.label? == "Median distance over questions asked")] | length > 0' whole.json >/dev/null
ok $? "and so has the JSON report"
kills=0
as=exec # in a process of its own, to be killed by its number
for pause in 0 0 0.1 0.2 0.4 0.8 1.6 3 6 12 24 60 120; do
    again=
    [ ! -e parts/runs/r ] || again=--resume
    long parts parts.json --save parts.npy --run r $again &
    attacker=$!
    while kill -0 $attacker && [ ! -e parts/runs/r/trees.onnx.robust ]; do # until it is at work
        sleep 0.02
    done 2>/dev/null
    sleep "$pause"
    kill -9 $attacker 2>/dev/null
    wait $attacker
    status=$?
    [ $status -eq 137 ] || break
    [ ! -e parts.json ] && [ ! -e parts.npy ] || continue # it was over, but for its end
    kills=$((kills + 1))
done
is "$status" 0 "the last one ends ($kills were killed)"
[ $kills -gt 0 ]
ok $? "some were killed, and left neither report nor samples"
counts='[.findings[] | {rule, location, outcome, k, n, value}]'
is "$(jq -c "$counts" parts.json)" "$(jq -c "$counts" whole.json)" "the same findings"
[ -s whole.npy/adversarial.npy ] && cmp -s whole.npy/adversarial.npy parts.npy/adversarial.npy && cmp -s whole.npy/index.npy parts.npy/index.npy
ok $? "the same samples, to the bit"

# ---- a full disk ----
run 4 --state state robust attack "$trees" --data table.csv --label-column late --norm l2 --eps 30 --high 100 --no-signs -o /dev/full
says .err "No space left on device"
if mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
    trap 'cd /; umount "$work/small"; rm -rf "$work"' EXIT
    mkdir small/broken
    cp whole.npy/*.npy small/broken 2>/dev/null
    rm -f small/broken/adversarial.npy
    head -c 70000 /dev/zero >small/fill 2>/dev/null
    run 4 --state state robust attack "$trees" --data long.csv --label-column late --norm l2 --eps 30 --high 100 --no-signs \
        --samples 0 --queries 100 --attack hopskipjump --save small/broken
    says .err "No space left on device"
    is "$(ls small/broken | wc -l)" 0 "no part of the samples stays, nor any of an earlier run"
    run 4 --state small/state robust attack "$trees" --data table.csv --label-column late --norm l2 --eps 30 --high 100 --no-signs -o none.json
    ok "$([ ! -e none.json ]; echo $?)" "no report of a run that could not be kept"
else
    skip "a full disk" "needs the right to mount"
fi

# ---- addresses ----
run 2 robust attack http://127.0.0.1:9/m --data table.csv --label-column late --norm l2 --eps 1
says .err "say how the address is asked"
run 2 robust attack http://127.0.0.1:9/m --data table.csv --label-column late --norm l2 --eps 1 --header secret
says .err "expected NAME: VALUE"
far() { # STATUS: an address where nobody is, asked with a key of the environment
    run "$1" --state state robust attack http://127.0.0.1:9/m --data table.csv --label-column late --norm l2 --eps 30 --high 100 \
        --protocol instances --samples 4 --header 'Authorization: Bearer ${BTZ_ASKED_KEY}'
}
unset BTZ_ASKED_KEY
far 2
says .err BTZ_ASKED_KEY
BTZ_ASKED_KEY=hush-hush far 4
! grep -rq hush-hush .err .out state
ok $? "the key is nowhere"
done_testing
