#!/bin/sh
# bartizan access: the commands made from the operations, on a state folder of their own.
. "$BTZ_SOURCE/tests/cli/tap.sh"

run 2 access user
says .err '`bartizan access user` needs one of: add, '
run 2 access usr add
says .err 'unknown command "access usr'
run 2 access user ad
says .err 'did you mean `bartizan access user add`?'
run 0 access user --help
says .out "access user add"
run 0 help access user add
says .out "Usage: bartizan access user add [options] NAME"
run 0 access user add --help
says .out "--display-name TEXT"
says .out "--server URL"

run 0 access user add Alice --display-name "Alice of the wall"
says .out "name: alice"
says .out "display_name: Alice of the wall"
run 4 access user add alice
says .err "there is a person or service called alice already"
run 2 access user add "a b"
run 3 access user show nobody-here
says .err "nobody-here"
run 2 access user add
says .err "needs NAME"
run 0 access user list --format json
is "$(jq -r '.items | length' "$work/.out")" 1 "one person is listed"
is "$(jq -r '.items[0].name' "$work/.out")" alice "by the name in lower case"
run 0 access user list
says .out "alice"
run 0 access user set alice --status disabled --format json
is "$(jq -r .status "$work/.out")" disabled "a person can be disabled"
run 4 access user set alice --status active --if-match '"0"'
run 0 access user set alice --status active

run 0 access group add wall
run 0 access group join wall alice
run 0 access role give viewer wall
run 0 access group show wall --format json
is "$(jq -r '.members[0].name' "$work/.out")" alice "a group has its members"

# Characters that would steer a terminal or turn text around do not get in.
run 2 access user set alice --display-name "$(printf 'a\342\200\256b')"
says .err "the character U+202E is not allowed"

# Nobody else may read the state, and the trail tells every change.
is "$(stat -c %a .bartizan/access/access.db .bartizan/access/seal.key | tr '\n' ' ')" "600 600 " "files are the owner's alone"
run 0 ledger verify
"$bartizan" ledger show --count 100 --format json >"$work/.out" 2>"$work/.err"
is "$(grep -o 'user\.create' "$work/.out" | sort -u)" "user.create" "changes are in the ledger"
"$bartizan" ledger show --count 100 --format json | grep -q "Alice of the wall"
[ $? -eq 1 ]
ok $? "names are not in clear in the ledger"

run 0 access explain alice model.list model/x --format json
is "$(jq -r .verdict "$work/.out")" allow "a viewer may list models"
run 0 access explain alice user.write user/x --format json
is "$(jq -r .verdict "$work/.out")" deny "and may not change people"
run 2 access explain user.write
says .err "needs [PRINCIPAL] ACTION RESOURCE"

run 0 access trace alice --format json
is "$(jq -r '.items[0].operation' "$work/.out")" user.create "a trace begins with how it came to be"
run 0 access log
says .out "user.create"

run 0 completion bash
says .out "access/'user add')"
if command -v bash >/dev/null; then
    cat >complete.sh <<'END'
. ./completion.bash
COMP_WORDS=(bartizan access user a) COMP_CWORD=3
_bartizan
echo "${COMPREPLY[*]}"
COMP_WORDS=(bartizan access user add --disp) COMP_CWORD=4
_bartizan
echo "${COMPREPLY[*]}"
COMP_WORDS=(bartizan access gro) COMP_CWORD=2
_bartizan
echo "${COMPREPLY[*]}"
END
    "$bartizan" completion bash >completion.bash
    bash complete.sh >"$work/.out" 2>"$work/.err"
    is "$(sed -n 1p "$work/.out")" add "bash completes the second word of a verb"
    is "$(sed -n 2p "$work/.out")" --display-name "bash completes options behind it"
    is "$(sed -n 3p "$work/.out")" group "bash completes the first word of a verb"
else
    skip "bash completion" "no bash"
fi
done_testing
