#!/bin/sh
# redteam ping: what it says of targets that answer, and of those that do not.
. "$BTZ_SOURCE/tests/cli/tap.sh"

cat >bartizan.yaml <<'YAML'
version: 1
targets:
  - name: mirror
    preset: echo
  - name: program
    preset: command
    command: [tr, a-z, A-Z]
  - name: "broken\e[31m"
    preset: command
    command: [sh, -c, "printf 'no \\033[2J luck' >&2; exit 7"]
YAML
run 0 redteam ping --target mirror --target program
says .out 'mirror (echo)'
says .out 'Please answer with one short, friendly sentence.'
says .out 'PLEASE ANSWER WITH ONE SHORT'
says .out 'outcome    answer'
empty .err
run 4 redteam ping
says .out 'ended with status 7: no \x1b[2J luck'
! grep -q "$(printf '\033')" .out
ok $? "no escape sequence of a target reaches the terminal"
run 2 redteam ping --target miror
says .err 'did you mean mirror?'

# Nobody listens on port 1.
cat >bartizan.yaml <<'YAML'
targets:
  - {name: gone, preset: ollama, model: m, url: "http://127.0.0.1:1", retries: 0, key: sk-0123456789abcdef}
YAML
run 4 redteam ping
says .out 'url        http://127.0.0.1:1/api/chat'
says .out 'check that the server runs'
says .out 'nothing answered at this URL'
silent .out sk-0123456789abcdef
silent .err sk-0123456789abcdef

# Configuration that cannot work is refused before anything is sent.
echo 'targets: [{name: a, preset: opnai}]' >bartizan.yaml
run 2 redteam ping
says .err 'did you mean "openai"?'
echo 'targets: []' >bartizan.yaml
run 2 redteam ping
says .err 'no targets'
rm bartizan.yaml
run 2 redteam ping
says .err 'bartizan init'
done_testing
