#!/bin/sh
# harden: training from the command line, killed and continued, and what it refuses.
. "$(dirname "$0")/tap.sh"
. "${BTZ_SOURCE:?BTZ_SOURCE is the source}/tests/cli/rows.sh"

rows_and_net
few="--epochs 3 --batch 40 --eps 0.05 --measure 200"

run 0 harden net.onnx --data rows.csv $few -o hard.onnx
says .out "before"
says .out "after"
says .out "fgsm-rs, eps 0.05 in linf, 60 batches"
[ ! -e hard.onnx.checkpoint ]
ok $? "no checkpoint is left"
run 0 robust eval hard.onnx --data rows.csv
run 0 robust show hard.onnx
run 0 robust show net.onnx

# Any number of threads, equal bytes.
run 0 harden net.onnx --data rows.csv $few --threads 1 -o one.onnx
cmp hard.onnx one.onnx
ok $? "one thread gives the same file"
run 0 harden net.onnx --data rows.csv $few --seed 2 -o other.onnx
! cmp -s hard.onnx other.onnx
ok $? "another seed gives another"

# Every method, with what can be had on top.
for method in plain pgd free trades mart; do
    run 0 harden net.onnx --data rows.csv --method $method --epochs 1 --batch 40 --eps 0.05 --measure 100 -o m.onnx
done
run 0 harden net.onnx --data rows.csv --method trades --awp --awp-warmup 0 --epochs 1 --steps 2 --edge 0.5 \
    --optimiser adamw --schedule step --drop-at 2 --norm l2 --measure 100 --format json -o m.onnx
says .out '"before"'
if command -v jq >/dev/null; then
    is "$(jq -r '.epochs | length' .out)" 1 "a curve of one epoch"
fi

# Eps may grow; a training that does not begin to work is called what it is.
run 0 harden net.onnx --data rows.csv $few --eps-warmup 1.5 -o warm.onnx
! cmp -s hard.onnx warm.onnx
ok $? "eps that grows makes a difference"
silent .err "answers the same"
run 0 harden net.onnx --data rows.csv --method pgd --steps 2 --lr 1 --epochs 3 --batch 40 -o m.onnx
says .err "answers the same whatever it is asked"
run 2 harden net.onnx --data rows.csv $few --eps-warmup 4 -o m.onnx
says .err "eps grows"

# Killed again and again, and continued.
long="--method pgd --steps 5 --epochs 40 --batch 40 --eps 0.05 --measure 50 --keep best"
run 0 harden net.onnx --data rows.csv $long -o want.onnx
says .out "kept: the weights after epoch"
tries=0 kills=0
while [ ! -e got.onnx ] && [ $tries -lt 200 ]; do
    tries=$((tries + 1))
    "$bartizan" harden net.onnx --data rows.csv $long --checkpoint-every 0s -o got.onnx >.out 2>.err &
    pid=$!
    # Longer and longer, so that a busy machine gets there, too.
    sleep "$((tries / 12)).$((1 + tries % 5))$((tries % 10))"
    kill -9 $pid 2>/dev/null && kills=$((kills + 1))
    wait $pid 2>/dev/null
done
cmp want.onnx got.onnx
ok $? "a run killed $kills times ends with the same file"

# A checkpoint of another run, a damaged one, and how to get rid of it.
"$bartizan" harden net.onnx --data rows.csv $long --epochs 4000 --checkpoint-every 0s -o kept.onnx >.out 2>.err &
pid=$!
n=0
while [ ! -s kept.onnx.checkpoint ] && [ $n -lt 100 ]; do
    sleep 0.1
    n=$((n + 1))
done
kill -TERM $pid
status=0
wait $pid || status=$?
is $status 4 "an interrupted run exits with 4"
says .err "the same command continues"
run 3 harden net.onnx --data rows.csv $long -o kept.onnx
says .err "another run"
printf 'x' | dd of=kept.onnx.checkpoint bs=1 seek=200 conv=notrunc 2>/dev/null
run 3 harden net.onnx --data rows.csv $long --epochs 4000 -o kept.onnx
says .err "damaged"
run 0 harden net.onnx --data rows.csv $few --restart -o kept.onnx

# A disk that is full when the model is written: the training is kept, nothing else is.
kept="$few --checkpoint kept.checkpoint"
run 4 harden net.onnx --data rows.csv $kept -o /dev/full
says .err "No space left on device"
says .err "kept.checkpoint has all of the training; the same command writes the model"
cp kept.checkpoint done.checkpoint
cp net.onnx full.onnx
status=0
(ulimit -f 1 && exec "$bartizan" harden net.onnx --data rows.csv $kept -o full.onnx >.out 2>.err) || status=$?
is $status 4 "a model over the limit of ulimit -f ends with 4"
says .err "File too large"
is "$(echo full.onnx?*)" "full.onnx?*" "no half of it stays"
cmp full.onnx net.onnx && cmp kept.checkpoint done.checkpoint
ok $? "what was there before stays, and so does the training"
run 0 harden net.onnx --data rows.csv $kept -o full.onnx
says .out "continued at batch 60"
cmp full.onnx hard.onnx && [ ! -e kept.checkpoint ]
ok $? "the same command writes the model"
status=0
(ulimit -f 1 && exec "$bartizan" robust build --arch net.yaml -o built.onnx >.out 2>.err) || status=$?
is "$status $(echo built.onnx*)" "4 built.onnx*" "robust build leaves no half file either"
says .err "File too large"
if mkdir small && mount -t tmpfs -o size=64k none small 2>/dev/null; then
    trap 'cd /; umount "$work/small"; rm -rf "$work"' EXIT
    head -c 70000 /dev/zero >small/fill 2>/dev/null
    run 4 harden net.onnx --data rows.csv $few -o small/hard.onnx
    says .err "No space left on device"
    is "$(ls small)" fill "nothing is left on a full disk"
    rm small/fill
    run 0 harden net.onnx --data rows.csv $few -o small/hard.onnx
    cmp small/hard.onnx hard.onnx
    ok $? "with room again it ends as ever"
else
    skip "a full disk" "needs the right to mount"
fi

# What it refuses.
run 4 harden net.onnx --data rows.csv -o nowhere/x.onnx
says .err "--out nowhere/x.onnx: its folder cannot be written to"
run 2 harden net.onnx --data rows.csv
run 2 harden net.onnx --data rows.csv --method fgsm -o x.onnx
run 4 harden nothere.onnx --data rows.csv -o x.onnx
run 3 harden rows.csv --data rows.csv -o x.onnx
run 2 harden net.onnx --data rows.csv --keep best --validation 0 -o x.onnx
says .err "validation data"
run 2 harden net.onnx --data rows.csv --method mart --clean-ratio 0.5 -o x.onnx
says .err "clean ratio"
cut -d, -f1-9,17 rows.csv >narrow.csv
run 3 harden net.onnx --data narrow.csv -o x.onnx
says .err "16 values"
sed '5s/.$/7/' rows.csv >labels.csv
run 3 harden net.onnx --data labels.csv -o x.onnx
[ ! -e x.onnx ]
ok $? "what fails writes nothing"
done_testing
