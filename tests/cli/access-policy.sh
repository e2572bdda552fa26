#!/bin/sh
# Commands on files of policies: test, diff, try; and the examples of docs/policies.md.
. "$BTZ_SOURCE/tests/cli/tap.sh"

# Every block of the page that names its file.
awk '/^```yaml/ { on = 1; next } /^```/ { on = 0 } on && /^# file: / { file = $3; next } on { print > file }' \
    "$BTZ_SOURCE/docs/policies.md"
is "$(ls ./*.yaml | wc -l)" 2 "the page has two files"

# Tests.
run 0 access test team-test.yaml
says .out "team-test.yaml: 12 passed, 0 failed"
run 0 access test --quiet team-test.yaml
empty .out
run 0 access test --format json team-test.yaml
is "$(jq -c '[.passed, .failed, .tests[0].found_rule]' <.out)" '[12,0,"team/try"]' "JSON of the results"
sed 's/expect: step-up/expect: allow/' team-test.yaml >wrong.yaml
run 1 access test wrong.yaml
says .out "wrong.yaml:36: FAILED bob model.release model/a: expected allow, found step-up by team/release."
says .out "nearest allow: team/release, but"
says .out "no second factor was shown; one is needed within 15m"
says .out "11 passed, 1 failed"
run 1 access test --format json team-test.yaml wrong.yaml
is "$(jq -s 'map(.failed) | add' <.out)" 1 "one object a file"
sed 's/rule: team\/try/rule: team\/other/' team-test.yaml >wrong.yaml
run 1 access test wrong.yaml
says .out "expected allow by team/other, found allow by team/try"
run 2 access test team.yaml
says .err "there are no \`tests:\`"
run 2 access test
run 4 access test none.yaml
sed 's/principal: gone, action/principal: gon, action/' team-test.yaml >wrong.yaml
run 2 access test wrong.yaml
says .err "there is no principal \`gon\`; did you mean \`gone\`?"
sed 's/model.release, resource/model.relese, resource/' team-test.yaml >wrong.yaml
run 2 access test wrong.yaml
says .err "did you mean \`model.release\`?"
sed 's/include: .*/include: [missing.yaml]/' team-test.yaml >wrong.yaml
run 2 access test wrong.yaml
says .err "missing.yaml"

# Nobody may hold two roles that exclude each other.
sed 's/role: release-manager, principal: bob/role: release-manager, principal: alice/' team-test.yaml >wrong.yaml
run 2 access test wrong.yaml
says .err "\`alice\` would hold both \`prompt-writer\` and \`release-manager\`, which separation of duties forbids"

# One question.
run 0 access try --policy team-test.yaml bob model.invoke model/open-7
says .out "allow. A rule decides."
says .out "decided: allow by ready/user-use (ready.yaml:"
says .out "role user held by team-test/binding-3"
run 1 access try -p team-test.yaml bob model.release model/a --at 2027-03-01
says .out "step-up."
says .out "no second factor was shown; one is needed within 15m"
run 0 access try -p team-test.yaml bob model.release model/a --at 2027-03-01 --mfa-age 5m
run 1 access try -p team-test.yaml bob model.release model/a --at 2027-08-01 --mfa-age 5m
says .out "binding team-test/binding-2 ended 2027-07-01T00:00:00Z"
run 1 access try -p team-test.yaml alice model.invoke model/small-a --at 2027-03-01T20:00:00Z --cost 0.01 --address 10.1.1.1
says .out "it is 2027-03-01 21:00 in Europe/Berlin, outside mon tue wed thu fri 08:00-18:00"
run 1 access try -p team-test.yaml gone user.read user/alice
says .out "The account is disabled."
run 1 access try -p team-test.yaml alice model.invoke dataset/x
says .out "model.invoke is about resources model/..., which \`dataset/x\` is not"
run 1 access try -p team-test.yaml ci model.invoke model/small-b --key nightly --format json
is "$(jq -r '.why' <.out)" "The key's scopes do not cover it." "JSON of an answer"
run 2 access try -p team-test.yaml alise model.invoke model/a
says .err "did you mean \`alice\`?"
run 2 access try -p team-test.yaml alice model.invok model/a
says .err "did you mean \`model.invoke\`?"
run 2 access try alice model.invoke model/a

# Comparison.
run 0 access diff team-test.yaml team-test.yaml
says .out "0 answers change"
sed 's/model\/small-\*, endpoint/model\/small-*, model\/large-*, endpoint/; s/cost_max: 0.05/cost_max: 0.10/' team.yaml >new.yaml
run 1 access diff team.yaml new.yaml --at 2027-03-01T09:00:00Z
says .out "+ model.invoke model/large-~any: deny -> allow for holder-of-prompt-writer"
silent .out "holder-of-admin"
is "$(grep -c '^- ' .out)" 0 "nothing is taken"
run 1 access diff new.yaml team.yaml --at 2027-03-01T09:00:00Z
says .out "- model.invoke model/large-~any: allow -> deny for holder-of-prompt-writer"
sed 's/include: .*/include: [new.yaml]/' team-test.yaml >new-test.yaml
run 1 access diff --format json team-test.yaml new-test.yaml --at 2027-03-01T09:00:00Z
is "$(jq -c '[.changes[] | select(.resource == "model/large-~any") | .principals] | first' <.out)" '["alice","carol"]' \
    "people with the same roles are named together"
is "$(jq '.less' <.out)" 0 "nothing is taken"
run 1 access diff --questions 10 team-test.yaml new-test.yaml
says .out "NOT COMPLETE"
run 1 access diff --changes 1 team-test.yaml new-test.yaml --at 2027-03-01T09:00:00Z
says .out "NOT COMPLETE"
is "$(grep -c '^[+-]' .out)" 1 "one change is listed"
run 2 access diff team.yaml
run 4 access diff team.yaml none.yaml

# What is written in files does not reach the terminal raw.
printf 'policy: p\nprincipals: {a: {}}\ntests: [{name: "\\e[31mred", principal: a, action: model.invoke, resource: model/a, expect: allow}]\n' >red.yaml
run 1 access test red.yaml
says .out '\x1b[31mred'
done_testing
