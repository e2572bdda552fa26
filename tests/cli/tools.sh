#!/bin/sh
# The tools that keep the tree in order, on a copy of it: tools/new, tools/layers, tools/registry, tools/bench.
here=$(dirname "$0")
case $here in /*) ;; *) here=$PWD/$here ;; esac
. "$here/tap.sh"
source=$(cd "$here/../.." && pwd)
mkdir tree && cp -r "$source/src" "$source/include" "$source/tools" tree && mkdir -p tree/docs tree/tests
cd tree || exit 1

made() { # NAME KIND WORD MESON-FILE LIST FILE...: tools/new makes the files and the word, and only once
    name=$1 kind=$2 word=$3 list=$4 key=$5
    shift 5
    tools/new "$kind" "$word" >"$work/.out" 2>"$work/.err"
    ok $? "tools/new $kind $word"
    for file in "$@"; do
        [ -e "$file" ]
        ok $? "$name: $file is there"
    done
    words=$(awk -v key="$key" '$0 ~ "^" key " = \\[" { on = 1; next } on && /^\]/ { exit } on { gsub(/[ \047,]/, ""); print }' "$list")
    is "$(printf '%s\n' "$words" | grep -cxF "$word")" 1 "$name: the list $key has it once"
    is "$words" "$(printf '%s\n' "$words" | LC_ALL=C sort)" "$name: the list $key is sorted"
    ! tools/new "$kind" "$word" >"$work/.out" 2>&1
    ok $? "$name: not over what is there"
}

made rule rule redteam.leak.zebra src/finding/meson.build rules docs/rules/redteam.leak.zebra.md
made probe probe leak.zebra src/redteam/meson.build probes src/redteam/probes/leak.zebra.c docs/probes/leak.zebra.md
made transform transform ab-zebra src/redteam/meson.build transforms src/redteam/transforms/ab-zebra.c \
    docs/transforms/ab-zebra.md tests/golden/transforms/ab-zebra.jsonl
made detector detector zebra src/redteam/meson.build detectors src/redteam/detectors/zebra.c docs/detectors/zebra.md \
    tests/golden/detectors/zebra.jsonl tests/fuzz/seeds/detectors/zebra
made command command zebra-find src/cli/meson.build commands src/cli/zebra_find.c
made noun command aardvark src/cli/meson.build commands src/cli/aardvark.c
! grep -q '\.verb' src/cli/aardvark.c
ok $? "a noun alone has no verb"
grep -q '\.verb = "find"' src/cli/zebra_find.c
ok $? "the verb is behind the noun"
for file in src/redteam/probes/leak.zebra.c src/redteam/transforms/ab-zebra.c src/redteam/detectors/zebra.c \
    src/cli/zebra_find.c src/cli/aardvark.c; do
    cc -std=gnu17 -fsyntax-only -Wall -Wextra -Isrc -Iinclude "$file" >"$work/.out" 2>&1
    ok $? "$file compiles as it is written"
    if command -v clang-format >/dev/null; then
        clang-format --style="file:$source/.clang-format" --dry-run -Werror "$file" >"$work/.out" 2>&1
        ok $? "$file is formatted as it is written"
    else
        skip "$file is formatted as it is written" "no clang-format"
    fi
done
for name in ../up Upper "two words" .dot -dash '' 'a;b' "a'b"; do
    ! tools/new probe "$name" >"$work/.out" 2>&1
    ok $? "tools/new refuses the name $(printf '%s' "$name" | tr -d '#')"
done
[ ! -e ../up.c ] && [ ! -e src/redteam/up.c ]
ok $? "and writes nothing elsewhere"

# registry
tools/registry btz_probe btz_probes redteam/redteam.h btz_probe leak.zebra ab-c >"$work/table.c"
is "$(grep -c 'extern const struct btz_probe btz_probe_leak_zebra;' "$work/table.c")" 1 "a dot becomes an underscore"
is "$(grep -c '    &btz_probe_ab_c,' "$work/table.c")" 1 "so does a dash"
cc -std=gnu17 -fsyntax-only -Wall -Wextra -Werror -Isrc -Iinclude "$work/table.c" >"$work/.out" 2>&1
ok $? "the table compiles"
tools/registry btz_probe btz_probes redteam/redteam.h btz_probe >"$work/table.c"
cc -std=gnu17 -fsyntax-only -Wall -Wextra -Werror -Isrc -Iinclude "$work/table.c" >"$work/.out" 2>&1
ok $? "an empty table compiles"

# layers
tools/layers >"$work/.out" 2>&1
ok $? "the tree keeps to its layers"
bad() { # FILE LINE NAME
    printf '%s\n' "$2" >"$1"
    ! tools/layers >"$work/.out" 2>&1
    ok $? "layers: $3"
    rm "$1"
}
bad src/base/zebra.c '#include "finding/finding.h"' "base may not know findings"
bad src/redteam/zebra.h '#include "ledger/ledger.h"' "red teaming may not know the ledger"
bad src/redteam/zebra.c '#include "../ledger/ledger.h"' "no way round by .."
bad src/redteam/zebra.c '  #  include  "ledger/ledger.h"' "nor by spaces"
bad src/redteam/zebra.c '#include "campaign.h"' "no name without its folder"
bad include/bartizan/zebra.h '#include "base/base.h"' "nothing inner in a public header"

# bench: folders of objects beside the programs are none of its business
mkdir -p "$work/b/bench/z.p" && printf '#!/bin/sh\necho "{}"\n' >"$work/b/bench/a" && chmod +x "$work/b/bench/a"
out=$(tools/bench "$work/b")
ok $? "tools/bench ends well behind its last program"
is "$out" "{}" "and runs what is there"
printf '#!/bin/sh\nexit 3\n' >"$work/b/bench/a"
! tools/bench "$work/b" >"$work/.out" 2>&1
ok $? "a benchmark that fails is a failure"
done_testing
