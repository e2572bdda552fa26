# tap.sh: the little that the shell tests share. Source it, test, end with `done_testing`.
# A folder of its own for each script; BTZ_BIN is the program under test.
set -u
LC_ALL=C.UTF-8
export LC_ALL
unset NO_COLOR COLUMNS OPENAI_API_KEY ANTHROPIC_API_KEY AZURE_OPENAI_API_KEY
bartizan=${BTZ_BIN:?BTZ_BIN names the program under test}
work=$(mktemp -d)
trap 'cd /; rm -rf "$work"' EXIT
cd "$work" || exit 1
tests=0

ok() { # STATUS NAME: 0 is success
    tests=$((tests + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tests - $2"
    else
        echo "not ok $tests - $2"
        [ -s "$work/.out" ] && sed 's/^/# out: /' "$work/.out"
        [ -s "$work/.err" ] && sed 's/^/# err: /' "$work/.err"
    fi
    return 0
}

skip() { # NAME REASON
    tests=$((tests + 1))
    echo "ok $tests - $1 # SKIP $2"
}

run() { # STATUS ARGUMENT...: runs the program; its output is in .out and .err
    wanted=$1
    shift
    status=0
    "$bartizan" "$@" >"$work/.out" 2>"$work/.err" </dev/null || status=$?
    [ "$status" -eq "$wanted" ]
    ok $? "bartizan $(printf '%s' "$*" | tr -d '#') exits with $wanted (did: $status)"
}

is() { # FOUND WANTED NAME
    [ "$1" = "$2" ]
    result=$?
    ok $result "$3"
    [ $result -eq 0 ] || printf '# found:  %s\n# wanted: %s\n' "$1" "$2"
}

says() { # FILE TEXT: .out or .err has the text
    grep -qF -- "$2" "$work/$1"
    ok $? "$1 says: $(printf '%s' "$2" | tr -d '#')"
}

silent() { # FILE TEXT: .out or .err has it not
    ! grep -qF -- "$2" "$work/$1"
    ok $? "$1 does not say: $(printf '%s' "$2" | tr -d '#')"
}

empty() { # FILE
    [ ! -s "$work/$1" ]
    ok $? "$1 is empty"
}

done_testing() {
    echo "1..$tests"
}
# Waits until the process PID catches SIGINT: the second bit of the mask.
catches_int() {
    while kill -0 "$1" 2>/dev/null && ! grep -q '^SigCgt:.*[2367abef]$' "/proc/$1/status"; do
        sleep 0.02
    done
}
