#!/bin/sh
# bartizan init: what it writes, what it refuses, what it asks.
. "$BTZ_SOURCE/tests/cli/tap.sh"

run 0 init --yes --preset openai --model gpt-x --name bot
empty .out
says .err "wrote bartizan.yaml"
says .err "set OPENAI_API_KEY in the environment"
is "$(stat -c %a bartizan.yaml)" 600 "only the owner reads the file"
OPENAI_API_KEY=sk-t0psecret
export OPENAI_API_KEY
run 0 config check
says .out valid
grep -q t0psecret bartizan.yaml
is $? 1 "the key itself is not in the file"
cp bartizan.yaml before
run 4 init --yes --preset ollama --model other
says .err "bartizan.yaml is there already; --force overwrites it"
cmp -s bartizan.yaml before
ok $? "the file is as it was"
run 0 init --yes --preset ollama --model other --dry-run
says .out "version: 1"
cmp -s bartizan.yaml before
ok $? "--dry-run writes nothing"
run 0 init --yes --preset ollama --model other --force
run 0 config check
run 0 -q --config other.yaml init --yes --model m
empty .err
ok "$([ -s other.yaml ]; echo $?)" "--config names the file"

run 2 init --yes --dry-run --preset openai
says .err "openai needs the name of a model: --model NAME"
run 2 init --yes --dry-run --preset azure --model x
says .err "azure needs the URL of your endpoint: --url URL"
run 2 init --yes --dry-run --preset openai --model x --url ftp://x
says .err "expected http://... or https://..."
run 2 init --yes --dry-run --preset opnai
says .err 'did you mean "openai"?'
run 4 --config no/such/folder/b.yaml init --yes --model x

# Every default that is shown loads when its mark is removed.
run 0 init --yes --preset llamacpp --dry-run
sed 's/^\( *\)#\([^ ]\)/\1\2/' "$work/.out" >bartizan.yaml
sed -i "s/^\( *\)path:\$/\1path: x/; /\${/d" bartizan.yaml
run 0 config show

if "$bartizan" config show 2>/dev/null | grep -q '^targets'; then
    rm bartizan.yaml
    run 0 init --yes --url "https://h/v1" --model 'm: #1' --name 'a"b'
    run 0 config show
    says .out 'targets[0].preset = openai'
    says .out 'targets[0].url = https://h/v1'
    says .out 'targets[0].model = "m: #1"'
    says .out 'targets[0].key = ${OPENAI_API_KEY}'
    rm bartizan.yaml
    unset OPENAI_API_KEY
    ANTHROPIC_API_KEY=x
    export ANTHROPIC_API_KEY
    run 0 init --yes --model m
    run 0 config show
    says .out 'targets[0].preset = anthropic'
    unset ANTHROPIC_API_KEY
else
    skip "the target that init writes" "this build has no practice with targets"
fi

# On a terminal it asks; the answers arrive.
rm -f bartizan.yaml
if command -v script >/dev/null; then
    printf 'olama\nollama\n\nllama3.2\n\n' |
        script -qec "'$bartizan' init" /dev/null >"$work/.out" 2>&1
    is $? 0 "an interview ends well"
    says .out 'did you mean ollama?'
    says .out 'Base URL [http://127.0.0.1:11434]'
    says .out 'wrote bartizan.yaml'
    run 0 config check
    rm -f bartizan.yaml
    script -qec "'$bartizan' init" /dev/null </dev/null >"$work/.out" 2>&1
    ok "$([ ! -e bartizan.yaml ]; echo $?)" "no answer, no file"
else
    skip "an interview" "no script(1)"
fi
done_testing
