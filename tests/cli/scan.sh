#!/bin/sh
# `bartizan scan` end to end against the demonstration assistant: what it finds, what it writes, how it exits.
. "$(dirname "$0")/tap.sh"

assistant=
stop_assistant() {
    [ -z "$assistant" ] || { kill "$assistant" 2>/dev/null; wait "$assistant" 2>/dev/null; }
    assistant=
}
trap 'stop_assistant; cd /; rm -rf "$work"' EXIT
start_assistant() { # OPTION...: writes bartizan.yaml and manifest.json here
    stop_assistant
    rm -f bartizan.yaml manifest.json url
    "$bartizan" demo target --port 0 --manifest manifest.json --write-config bartizan.yaml "$@" >url 2>assistant.err &
    assistant=$!
    for _ in $(seq 200); do
        [ -s url ] && [ -s bartizan.yaml ] && return
        sleep 0.05
    done
    cat assistant.err >&2
    exit 1
}
quick() { # the effort of the configuration, made small
    sed -i '/effort:/d; /^redteam:/a\  effort: quick' bartizan.yaml
}
failed_rules() { jq -r '[.findings[] | select(.outcome == "fail") | .rule] | unique[]' "$1"; }

# ---- the demonstration, by its manifest ----
for defence in none filter; do
    start_assistant --defence "$defence"
    run 1 --state "state-$defence" scan --format json -o "$defence.json" --report "html=$defence.html" \
        --report "sarif=$defence.sarif" --report "junit=$defence.xml" --report "md=$defence.md" --report "jsonl=$defence.jsonl"
    jq -r '.weaknesses[].rule' manifest.json | sort -u >wanted
    failed_rules "$defence.json" | sort -u >found
    is "$(comm -23 wanted found)" "" "$defence: every weakness of the manifest is found"
    is "$(comm -13 wanted found)" "" "$defence: nothing is found that is not in the manifest"
    is "$(jq -r 'keys_unsorted | join(",")' "$defence.json")" "version,started,finished,assets,findings,coverage,risk" \
        "$defence: the keys of the JSON report"
done
for key in rule asset location outcome severity k n value ci_low ci_high evidence fingerprint references; do
    is "$(jq "[.findings[] | has(\"$key\")] | all" filter.json)" true "every finding has $key"
done
is "$(jq '[.findings[] | select(.outcome == "fail") | .ci_low > 0 and .ci_high <= 1 and .ci_low < .value and (.evidence | length > 0)] | all' filter.json)" \
    true "every failing finding has an interval and evidence"
run 0 --state state-filter ledger verify
entries=$(find state-filter/ledger/evidence -type f | wc -l)
[ "$entries" -gt 10 ]
ok $? "evidence is stored beside the ledger ($entries files)"

start_assistant --defence ideal
run 0 scan --format json -o ideal.json --fail-on low
is "$(jq '[.findings[] | select(.rule | startswith("redteam.utility") | not) | .k] | add' ideal.json)" 0 "ideal: no false success"
[ "$(jq '[.findings[].n] | add' ideal.json)" -gt 500 ]
ok $? "ideal: more than 500 tests"

# ---- gates ----
start_assistant --defence none
quick
run 1 scan --format json -o first.json
run 0 scan --format json -o second.json --baseline first.json
is "$(jq '[.findings[] | select(.outcome == "fail" and .status == "open")] | length' second.json)" 0 \
    "with the baseline of the same target nothing is new"
run 1 scan --fail-on critical -o /dev/null
run 1 scan --risk-threshold 1 -o /dev/null --baseline first.json
cat >>bartizan.yaml <<'Y'
suppressions:
  - rule: redteam.*
    reason: accepted for the demonstration
    expires: 2999-01-01
Y
run 0 scan -o suppressed.txt
sed -i 's/2999-01-01/2020-01-01/' bartizan.yaml
run 1 scan -o expired.txt
says .err "past their date"

# ---- plan only ----
start_assistant --defence none
run 0 scan --dry-run
says .out "requests"
[ ! -e .bartizan/runs ] || [ "$(find .bartizan/runs -name '*.jsonl' -newer url | wc -l)" -eq 0 ]
ok $? "--dry-run asks nothing"

# ---- trend and resume ----
quick
run 1 --state trend scan -o /dev/null
run 1 --state trend scan --format html -o trend.html
grep -q 'id="trend"' trend.html
ok $? "the second report of a state shows the trend"
run 2 --state trend scan --resume
says .err "no interrupted run"
run 2 scan --run '../../escape'
[ ! -e ../escape ] && [ ! -e ../../escape ]
ok $? "a run id is no path"

# Stopped in the middle: what was not asked is not evaluated, and --resume asks the rest.
start_assistant --defence none --latency 200
"$bartizan" --state cut scan --format json -o cut.json >/dev/null 2>cut.err &
scan=$!
for _ in $(seq 200); do
    [ "$(cat cut/runs/*/*.jsonl 2>/dev/null | grep -c '"type":"reply"')" -gt 60 ] && break
    sleep 0.05
done
kill -TERM $scan
status=0
wait $scan || status=$?
is "$status" 4 "a stopped scan exits with 4"
is "$(jq '.coverage.complete' cut.json)" false "its report says that it is not complete"
[ "$(jq '[.findings[] | select(.outcome == "not-evaluated")] | length' cut.json)" -gt 0 ]
ok $? "what was not asked is not evaluated"
before=$(cat cut/runs/*/*.jsonl | grep -c '"type":"reply"')
run 1 --state cut scan --resume --format json -o whole.json
is "$(jq '.coverage.complete' whole.json)" true "the resumed run is complete"
is "$(cat cut/runs/*/*.jsonl | jq -r 'select(.type == "reply") | "\(.slot) \(.turn)"' | sort | uniq -d | wc -l)" 0 \
    "no request was asked twice ($before were answered before)"
is "$(find cut/runs -mindepth 1 -maxdepth 1 | wc -l)" 1 "and it is the same run"
run 0 --state cut ledger verify

# ---- what goes wrong ----
stop_assistant
run 4 scan -o /dev/null
says .err "none of"
start_assistant --defence none --key right
sed -i 's/^\( *\)key:.*/\1key: "wrong-key-4711"/' bartizan.yaml
grep -q '^ *key:' bartizan.yaml || sed -i 's/^\( *\)preset: openai/&\n\1key: "wrong-key-4711"/' bartizan.yaml
run 5 scan -o /dev/null
silent .err "wrong-key-4711"
run 2 scan --format nonsense
run 2 scan --report html
says .err "FORMAT=FILE"
run 2 --config absent.yaml scan
printf 'targets: []\n' >nothing.yaml
run 2 --config nothing.yaml scan
printf 'redteam:\n  effort: quick\n' >notarget.yaml
run 2 --config notarget.yaml scan
says .err "no target is configured"
run 4 scan --baseline absent.json -o /dev/null || true
start_assistant --defence none --faults 0.4 --seed 5
quick
sed -i 's/^\( *\)preset: openai/&\n\1retries: 1\n\1timeout: 2s/' bartizan.yaml
run 1 scan --format json -o faults.json
is "$(jq '.coverage.items | map(.done + .failed + .skipped == .planned) | all' faults.json)" true \
    "with faults every planned attack is counted"
done_testing
