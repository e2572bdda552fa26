#!/bin/sh
# Runs of a scan: their names, their folders, what a second one may not do to the first.
. "$(dirname "$0")/tap.sh"

cat >bartizan.yaml <<Y
version: 1
targets:
  - name: echo
    preset: echo
redteam:
  effort: quick
  families: [override]
Y

run 0 scan --dry-run
says .out "attacks in"
[ ! -e .bartizan ]
ok $? "a dry run leaves no trace"

for id in ../../btz-no-such-run /tmp/btz-no-such-run .hidden "" "a b" "$(printf '%064d' 0)"; do
    run 2 scan "--run=$id"
done
[ ! -e ../btz-no-such-run ] && [ ! -e .bartizan ]
ok $? "a name of a run leads nowhere else"

run 2 scan --resume
says .err "no interrupted run"
for wrong in "--report html=no/such/folder/x.html" "-o no/such/folder/x.html" "--report json=." "--dry-run -o no/such/folder/x.html"; do
    run 4 scan --run typing-error $wrong
    [ ! -e .bartizan ]
    ok $? "it is said before anything is done"
done
says .err "no/such/folder/x.html: its folder cannot be written to"
cp bartizan.yaml kept.yaml
printf 'reports:\n- format: html\n  path: no/such/folder/y.html\n' >>bartizan.yaml
run 4 scan --run typing-error
says .err "reports no/such/folder/y.html"
[ ! -e .bartizan ]
ok $? "a report of the file, too"
mv kept.yaml bartizan.yaml
run 4 scan --run first --report html=/dev/full --report "json=first.json" -o first.txt
says .err "/dev/full"
[ -s first.json ] && [ -s first.txt ] && [ -s .bartizan/runs/first/report.json ]
ok $? "one report that cannot be written does not cost the others"
is "$(stat -c %a .bartizan/runs/first .bartizan/runs/first/report.json .bartizan/runs/first/echo.jsonl | tr '\n' ' ')" \
    "700 600 600 " "what a run leaves is its owner's"

before=$(cat .bartizan/runs/first/*)
run 4 scan --run first
says .err "is there already"
is "$(cat .bartizan/runs/first/*)" "$before" "a second run of that name touches nothing"

run 4 scan --run typing-error --baseline first.jsno
[ ! -e .bartizan/runs/typing-error ]
ok $? "a baseline that is not there is said before anything is asked"
run 0 scan --run second --baseline first.json -o /dev/null
[ -c /dev/null ]
ok $? "a device stays a device"

# Interrupted: no report yet, half a line at the end.
lines=$(wc -l <.bartizan/runs/second/echo.jsonl)
rm .bartizan/runs/second/report.json
head -c -9 .bartizan/runs/second/echo.jsonl >cut && cat cut >.bartizan/runs/second/echo.jsonl
run 0 scan --resume
says .err "taken over"
says .out "run second"
is "$(wc -l <.bartizan/runs/second/echo.jsonl)" "$lines" "resuming asks what is missing and nothing twice"
run 2 scan --resume
run 0 ledger verify

sed 's/families: .*/exclude: ["*.*"]/' bartizan.yaml >unknown.yaml
run 2 --config unknown.yaml scan
sed 's/families: .*/families: [override]\n  probes: [secret.*]/' bartizan.yaml >nothing.yaml
run 2 --config nothing.yaml scan
says .err "no probe to run"
sed 's/families: .*/max_requests: 3/' bartizan.yaml >poor.yaml
run 2 --config poor.yaml scan
says .err "max_requests"
sed 's/families: .*/targets: [echo, echo]/' bartizan.yaml >twice.yaml
run 2 --config twice.yaml scan
says .err "twice"
done_testing
