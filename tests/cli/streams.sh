#!/bin/sh
# Results that do not arrive, signals, colours.
. "$BTZ_SOURCE/tests/cli/tap.sh"

status=0
"$bartizan" help >/dev/full 2>"$work/.err" || status=$?
is $status 4 "a full disk is status 4"
says .err "bartizan: write standard output: No space left on device"
status=0
"$bartizan" help >&- 2>"$work/.err" || status=$?
is $status 4 "a closed standard output is status 4"
says .err "write standard output"
mkfifo pipe
{ "$bartizan" completion fish >pipe 2>"$work/.err"; echo $? >status; } &
writer=$!
exec 3<pipe
exec 3<&-
wait $writer
# The pipe holds 64 KiB: a short text may be in it before its reader goes.
case $(cat status) in
0) empty .err ;;
*)
    is "$(cat status)" 4 "a closed pipe is status 4"
    says .err "Broken pipe"
    ;;
esac
rm -f bartizan.yaml
status=0
"$bartizan" config check >/dev/full 2>"$work/.err" || status=$?
is $status 2 "a failure keeps its status"

# One interrupt asks to finish, the second one ends.
for name in INT TERM; do
    rm -f feed
    mkfifo feed
    env --default-signal=INT,TERM "$bartizan" --config feed config check >"$work/.out" 2>"$work/.err" &
    child=$!
    # Opening returns when the program reads: its handlers stand by then.
    exec 4>feed
    kill -$name $child
    sleep 0.2
    kill -0 $child
    ok $? "the first SIG$name does not kill"
    if [ $name = INT ]; then
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            kill -INT $child 2>/dev/null || break
            sleep 0.1
        done
        status=0
        wait $child || status=$?
        is $status 130 "the second SIGINT ends by the signal"
    else
        printf 'title: x\n' >&4
        exec 4>&-
        status=0
        wait $child || status=$?
        is $status 0 "what is at hand is finished after SIGTERM"
    fi
    exec 4>&-
done

escape=$(printf '\033')
in_terminal() { script -qec "$1" /dev/null </dev/null >"$work/.out" 2>&1; }
if command -v script >/dev/null; then
    TERM=xterm
    export TERM
    in_terminal "'$bartizan' help"
    says .out "${escape}[1m"
    in_terminal "NO_COLOR=1 '$bartizan' help"
    silent .out "${escape}["
    in_terminal "'$bartizan' --no-color help"
    silent .out "${escape}["
    in_terminal "TERM=dumb '$bartizan' help"
    silent .out "${escape}["
else
    skip "colours" "no script(1)"
fi
run 0 help
silent .out "$escape"
done_testing
