#!/bin/sh
# Help at every level, versions, manual pages, completion, and words that are wrong.
. "$BTZ_SOURCE/tests/cli/tap.sh"

run 0
says .out "Usage: bartizan NOUN [VERB] [options]"
empty .err
run 0 --help
says .out "Usage: bartizan NOUN [VERB] [options]"
run 0 help
says .out "config check"
run 0 config --help
says .out "Usage: bartizan config VERB"
run 0 access key --help
says .out "Usage: bartizan access key VERB"
says .out "access key rotate"
silent .out "access user add"
run 0 help access key
says .out "access key rotate"
silent .out "access user add"
run 0 help config
says .out "config show"
run 0 config show --help
says .out "--origin"
run 0 help config show
says .out "--origin"
run 0 -q config --no-color show -h
says .out "--origin"

run 0 --version
is "$(head -1 "$work/.out")" "bartizan $(sed -n "s/^  version: '\(.*\)',/\1/p" "$BTZ_SOURCE/meson.build")" "--version names the version"
run 0 version --features
says .out "openssl"
says .out "config check"
run 0 version --features --format json
if command -v jq >/dev/null; then
    is "$(jq -r '.libraries.libyaml != null and (.commands | index("config check") != null)' "$work/.out")" true "features are JSON"
else
    skip "features are JSON" "no jq"
fi

run 2 confg
says .err 'unknown command "confg"; did you mean `bartizan config`?'
empty .out
run 2 config chekc
says .err 'unknown command "config chekc"; did you mean `bartizan config check`?'
run 2 config
says .err '`bartizan config` needs one of: check, show'
run 2 zzzzzz
says .err '`bartizan help` lists them'
run 2 help confg
says .err 'no command "confg"; did you mean "config"?'
run 2 help config chekc
run 2 config show --orign
says .err "unknown option --orign; did you mean --origin?"
run 2 config check extra
says .err 'takes no operands, found "extra"'
run 2 --config
says .err "option --config needs a value: --config FILE"
run 2 completion
says .err "needs SHELL"
run 2 completion bsh
says .err 'did you mean "bash"?'
# Words of a stranger do not steer the terminal.
run 2 "$(printf 'a\033[2J')"
says .err '\x1b[2J'

for width in 40 60 100; do
    status=0
    COLUMNS=$width "$bartizan" init --help >"$work/.out" 2>"$work/.err" || status=$?
    [ "$status" -eq 0 ] && ! awk -v width=$width 'length > width && !/^  bartizan/' "$work/.out" | grep -q .
    ok $? "help fits $width columns"
done

run 0 help --manual
for noun in "" config init help; do
    if command -v groff >/dev/null; then
        # shellcheck disable=SC2086
        "$bartizan" help --manual $noun >"$work/page" && groff -man -Tutf8 -ww -z "$work/page" >"$work/.out" 2>"$work/.err"
        status=$?
        [ $status -eq 0 ] && [ ! -s "$work/.err" ]
        ok $? "manual page of ${noun:-bartizan} is clean"
    else
        skip "manual page of ${noun:-bartizan} is clean" "no groff"
    fi
done

for shell in bash zsh fish; do
    run 0 completion $shell
    cp "$work/.out" "$work/script.$shell"
    if command -v $shell >/dev/null; then
        $shell -n "$work/script.$shell" >"$work/.out" 2>"$work/.err"
        ok $? "completion parses in $shell"
    else
        skip "completion parses in $shell" "no $shell"
    fi
done
complete() { # WORDS...: what bash proposes for the last word
    bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _bartizan; echo "${COMPREPLY[*]}"' - "$work/script.bash" "$@"
}
if command -v bash >/dev/null; then
    is "$(complete bartizan conf)" "config" "bash completes a noun"
    is "$(complete bartizan config sh)" "show" "bash completes a verb"
    is "$(complete bartizan config show --or)" "--origin" "bash completes an option"
    is "$(complete bartizan version --format j)" "json" "bash completes a choice"
    : >bartizan.yaml
    is "$(complete bartizan config check --config bart)" "bartizan.yaml" "bash completes a file"
else
    skip "bash completes" "no bash"
fi
done_testing
