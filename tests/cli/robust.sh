#!/bin/sh
# A classifier from nothing: drawn digits, a network from a layer list, trained, attacked, hardened, attacked again.
. "$(dirname "$0")/tap.sh"

attack() { # STATUS MODEL OUT OPTION...
    status=$1 model=$2 out=$3
    shift 3
    run "$status" --state state robust attack "$model" --data digits/test-images.idx --labels digits/test-labels.idx \
        --eps 0.1 --format json -o "$out" --no-signs "$@"
}
worst() { jq -r '[.findings[] | select(.location | test("worst case|^(pgd|fgsm|square),"))] | last | '"$2" "$1"; }
believed() { # accuracy after a report's worst attack: correct and not broken
    jq -r '[.findings[] | select(.n > 0)] | last | .n - .k' "$1"
}

run 0 robust selftest
says .out "attacks give their known answers"
run 0 robust list --format json
is "$(jq -r '[.[] | select(.source == "" or ((.norms | length) == 0) != (.command == "text"))] | length' .out)" 0 "every attack has a source, and norms but for those on texts"
is "$(jq -r 'map(.id) | contains(["apgd-ce", "apgd-t", "fab-t", "fgsm", "pgd", "square"])' .out)" true "the usual ones are there"
listed=$(jq -r '.[] | select(.command == "text") | .id' .out)
run 0 robust list
is "$listed" "$(sed -n '/^Attacks on texts/,$s/ (scores or labels, texts)$//p' .out)" "the attacks on texts are in the JSON, too"

# ---- train, attack ----
run 0 demo digits -o digits --train 2000 --test 300
cat >digits.yaml <<'Y'
input: [1, 16, 16]
layers:
  - conv: {out: 8, kernel: 4, stride: 2, pad: 1}
  - relu
  - flatten
  - linear: {out: 10}
Y
run 0 robust build --arch digits.yaml --seed 1 -o net.onnx
run 0 robust show net.onnx
says .out Conv
run 0 harden net.onnx --data digits/train-images.idx --labels digits/train-labels.idx --method plain --epochs 3 --eps 0.1 -o plain.onnx
run 0 robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --format json
[ "$(jq '.clean.correct' .out)" -gt 270 ]
ok $? "it has learned: $(jq -c .clean .out)"
# Labels of another model: nothing can be attacked, which is no good news.
{
    head -c 8 digits/test-labels.idx
    tail -c +9 digits/test-labels.idx | tr '\000-\011' '\001-\011\000'
} >shifted.idx
run 0 robust attack plain.onnx --data digits/test-images.idx --labels shifted.idx --eps 0.1 --samples 3 --attack pgd
says .out "1 not evaluated, 0 passed"
says .out "None of 3 samples is classified correctly, so none was attacked"
run 1 robust attack plain.onnx --data digits/test-images.idx --labels shifted.idx --eps 0.1 --samples 3 --attack pgd --robust-min 0.5
run 0 robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --corruptions --threads 2 --format json
is "$(jq '[.corruptions.kinds[].severities[] | select(.samples == 300)] | length' .out)" 75 "fifteen corruptions, five severities"
is "$(jq '.corruptions | ([.kinds[].severities[].accuracy] | add / 75) - .mean_accuracy | fabs < 1e-9' .out)" true "and their mean"
jq -e '.corruptions.worst.correct <= ([.corruptions.kinds[].severities[].correct] | min)' .out >/dev/null
ok $? "the worst case is no better than any"
run 0 robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --corruptions
says .out "mean corruption accuracy"
run 0 robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --corruptions --seed 1
cp .out seeded
run 0 robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --corruptions
cmp -s .out seeded
ok $? "seed 1 is the default, as elsewhere"
corrupt="robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --corruptions"
run 0 $corrupt --format json --report html=corrupt.html --report json=corrupt.json
is "$(jq -c '[.figures[] | select(.title == "Accuracy under corruptions, %")][0].rows[:15] | map(.[1:6]) | flatten' corrupt.json)" \
    "$(jq -c '[.corruptions.kinds[].severities[].accuracy * 10000 | round / 100]' .out | jq -c 'map(. * 100 | round | tostring | if length < 3 then ("00" + .)[-3:] else . end | .[:-2] + "." + .[-2:])')" \
    "the report has the table that is printed"
is "$(jq -c '.findings[0] | [.rule, .n, .k]' corrupt.json)" \
    "$(jq -c '["redteam.evasion.corruption", .clean.correct, .clean.correct - .corruptions.worst.correct]' .out)" \
    "and finds what corruptions break"
xmllint --html --noout corrupt.html 2>/dev/null && grep -q 'gaussian-noise' corrupt.html && grep -q '<svg' corrupt.html
ok $? "and is a page with table and curve"
run 2 robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --report html=x.html
says .err "--report is of --corruptions"
run 4 $corrupt --report html=nowhere/x.html
says .err nowhere
cat >slow.yaml <<'Y'
input: [1, 16, 16]
layers:
  - conv: {out: 128, kernel: 5, stride: 1, pad: 2}
  - relu
  - conv: {out: 256, kernel: 5, stride: 1, pad: 2}
  - relu
  - flatten
  - linear: {out: 10}
Y
run 0 robust build --arch slow.yaml -o slow.onnx
# A shell without job control starts programs in the background with SIGINT ignored.
env --default-signal=INT "$bartizan" robust eval slow.onnx --data digits/test-images.idx --labels digits/test-labels.idx --threads 1 >.out 2>.err &
slow=$!
catches_int "$slow"
kill -INT "$slow"
wait "$slow"
is "$?" 4 "an interrupted evaluation exits as other commands do"
says .err "of 300 samples"
empty .out
run 3 robust eval plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --corruptions --high 0.5
says .err "say the range with --low and --high"

attack 1 plain.onnx plain.json --attack pgd --samples 200 --threads 2 --fail-on low --report html=plain.html
is "$(jq -r '[.findings[] | select(.rule == "redteam.evasion.gradient")][0] | .outcome' plain.json)" fail "it is broken by PGD"
attack 1 plain.onnx again.json --attack pgd --samples 200 --threads 1 --fail-on low
same='[.findings[] | {rule, location, outcome, k, n, value}]'
is "$(jq -c "$same" plain.json)" "$(jq -c "$same" again.json)" "one thread finds what two find"
grep -q 'src="data:image/png;base64,' plain.html
ok $? "the report has a picture of what was broken"
grep -q '<svg class="plot"' plain.html || grep -q 'Accuracy of each class' plain.html
ok $? "and figures"
attack 0 plain.onnx kept.json --attack pgd --samples 50 --robust-min 0
attack 1 plain.onnx both.json --attack fgsm --attack square --set square.queries=50 --samples 60 --alone --fail-on low
is "$(jq '[.findings[] | select(.location | test("worst case"))] | length' both.json)" 1 "two attacks have a worst case"
run 0 --state state ledger verify

# ---- harden, attack again ----
run 0 harden plain.onnx --data digits/train-images.idx --labels digits/train-labels.idx --method fgsm-rs --epochs 4 --eps 0.1 -o hard.onnx
attack 1 hard.onnx hard.json --attack pgd --samples 200 --fail-on low
[ "$(believed hard.json)" -gt "$(believed plain.json)" ]
ok $? "hardened: $(believed hard.json) of 200 hold, before it $(believed plain.json)"

# ---- as a section of bartizan.yaml ----
cat >bartizan.yaml <<'Y'
fail_on: never
models:
  - {name: digits, path: hard.onnx, data: digits/test-images.idx, labels: digits/test-labels.idx, eps: 0.05}
  - {name: other, path: plain.onnx}
robust:
  attacks: [pgd]
  samples: 40
  signs: false
Y
run 0 scan --format json -o scan.json
is "$(jq -r '[.findings[] | select(.outcome == "not-evaluated" and (.reason | test("it has no")))] | length' scan.json)" 1 "a model without samples is said"
run 0 scan --dry-run
says .out "other (plain.onnx): not attacked"

# ---- a dry run says what a run will take ----
plan="--state dry robust attack plain.onnx --data digits/test-images.idx --labels digits/test-labels.idx --eps 0.1 --no-signs
    --attack pgd --attack square --attack deepfool --set pgd.restarts=3 --queries 50 --samples 40 --threads 4"
for memory in 4096 16; do
    run 0 $plan --memory $memory --dry-run
    told=$(sed -n 's/.*memory predicted \([0-9.]* MB for [0-9]* threads\).*/\1/p' .out)
    run 0 $plan --memory $memory --dry-run --format json
    cp .out dry.json
    is "$(jq -r '.forecasts[0].models[0] | "\(.memory / 1000000) \(.threads)"' dry.json | awk '{ printf "%.1f MB for %d threads", $1, $2 }')" "$told" \
        "text and JSON predict the same with $memory MiB"
    is "$(jq -r '.forecasts | map(.practice) | join(" ")' dry.json)" robust "of one practice"
    [ ! -e dry ]
    ok $? "and leave no trace"
    run 0 $plan --memory $memory --fail-on critical --format json -o real.json
    is "$(jq -c '.forecasts[0].models[0] | ["\(.threads)", (.memory / 100000 | round / 10)]' dry.json)" \
        "$(jq -r '[.. | strings | select(startswith("{")) | fromjson? | select(.title == "What it took")][0]' real.json |
            jq -c '.rows | map({(.[0]): .[1]}) | add | [.threads, (.["memory of networks, attacks and samples, predicted"] | rtrimstr(" MB") | tonumber)]')" \
        "the run plans as the dry run predicted with $memory MiB"
    rm -rf dry
done
is "$(jq '.forecasts[0].models[0].threads < 4' dry.json)" true "little memory is fewer threads"
is "$(jq -c '[.forecasts[0].models[0].attacks[] | [.attack, .questions, .gradients]]' dry.json)" \
    '[["pgd",123,120],["square",50,0],["deepfool",null,null]]' "what attacks may cost a sample"
run 2 $plan --dry-run --set pgd.steps=0.5
run 4 --state dry robust attack none.onnx --data digits/test-images.idx --labels digits/test-labels.idx --eps 0.1 --dry-run
says .err "none.onnx"

# ---- what goes wrong says what and where ----
rm -f x.json
attack 4 plain.onnx x.json --attack pgd --report html=nowhere/x.html
says .err "--report nowhere/x.html: its folder cannot be written to"
attack 4 plain.onnx nowhere/x.json --attack pgd
says .err "--output nowhere/x.json"
attack 2 plain.onnx x.json --attack pgd --report htlm=x.html
says .err "unknown format"
[ ! -e x.json ]
ok $? "reports that cannot be written are said before the attack"
head -c 500 plain.onnx >cut.onnx
attack 3 cut.onnx x.json --attack pgd
head -c 900 digits/test-images.idx >cut.idx
run 3 --state state robust attack plain.onnx --data cut.idx --labels digits/test-labels.idx --eps 0.1
run 4 --state state robust attack none.onnx --data digits/test-images.idx --labels digits/test-labels.idx --eps 0.1
attack 2 plain.onnx x.json --attack pgdd
says .err 'did you mean "pgd"?'
attack 2 plain.onnx x.json --attack pgd --set pgd.stepz=3
attack 2 plain.onnx x.json --attack pgd --set pgd.steps=0.5
run 2 --state state robust attack plain.onnx --data digits/test-images.idx --eps 0.1
run 3 --state state robust attack plain.onnx --data digits/test-images.idx --labels digits/train-labels.idx --eps 0.1
printf 'a,b,label\n1,2,0\n3,4,1\n' >table.csv
run 3 --state state robust attack plain.onnx --data table.csv --eps 0.1
says .err "reads samples of 1x16x16"
done_testing
