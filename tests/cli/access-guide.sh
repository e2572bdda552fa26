#!/bin/sh
# Every command of docs/access-guide.md, in its order, in a folder with the files that the guide shows.
. "$BTZ_SOURCE/tests/cli/tap.sh"
guide=$BTZ_SOURCE/docs/access-guide.md

# ```yaml file=NAME blocks become files; the lines of ```sh blocks become commands.
awk '/^```yaml file=/ { sub(/.*file=/, ""); name = $0; next } /^```sh$/ { on = 1; next } /^```/ { name = ""; on = 0; next }
    name != "" { print > name } on { print > "commands" }' "$guide"
[ "$(wc -l <commands)" -gt 20 ]
ok $? "the guide has commands"
for picture in $(sed -n 's/.*(\(images\/access-[a-z-]*\.png\)).*/\1/p' "$guide"); do
    [ -s "$BTZ_SOURCE/docs/$picture" ] && [ "$(wc -c <"$BTZ_SOURCE/docs/$picture")" -lt 150000 ]
    ok $? "$picture is there and small"
done

# The words of a command are as a shell has them; `bartizan` is the program under test.
bartizan_of_guide() {
    "$BTZ_BIN" "$@"
}
while IFS= read -r command; do
    (eval "bartizan_of_guide ${command#bartizan }") >.out 2>.err </dev/null
    status=$?
    case $command in
    *model/large-1*) wanted="[05]" ;; # denied, as the guide says
    *"access review"* | *"ledger verify"*) wanted="[01]" ;; # findings are an answer
    *) wanted=0 ;;
    esac
    expr "$status" : "$wanted\$" >/dev/null
    ok $? "$command (exit $status)"
    case $command in
    *"access init"*) says .out "https://localhost:8443/enrol#" ;;
    *"key add"*) says .out "btz_" ;;
    *"decide"*small-1*) says .out allow ;;
    *"decide"*large-1*) says .out deny ;;
    *"key list"*) says .out "evaluation job" ;;
    *"role show evaluator"*) says .out small-models ;;
    *"access log"*) says .out key.create ;;
    *"trace"*) says .out key.create ;;
    esac
done <commands
done_testing
