#!/bin/sh
# The ledger's commands on a ledger of version 1 that is part of the source: what it says must stay provable.
. "$BTZ_SOURCE/tests/cli/tap.sh"

run 4 ledger verify
says .err ".bartizan/ledger"
mkdir -p .bartizan
run 4 ledger show
mkdir .bartizan/ledger
run 3 ledger verify
says .err "not a ledger"
run 3 ledger show
rmdir .bartizan/ledger
fresh() {
    rm -rf .bartizan/ledger
    cp -R "$BTZ_SOURCE/tests/golden/ledger" .bartizan/ledger
    chmod -R u+w .bartizan/ledger
}
fresh
golden=$BTZ_SOURCE/tests/golden
cp "$golden/ledger/vkey" audit.vkey
old=$golden/ledger.checkpoint-100

# Verification.
run 0 ledger verify
says .out "intact, 260 entries proven"
says .out "evidence: 1 intact, 0 deleted"
says .out "--witness"
run 0 ledger verify --quiet --key audit.vkey --witness "$old"
silent .out "--"
run 0 ledger verify --key "$(cat audit.vkey)"
run 0 --state .bartizan ledger verify --format json
says .out '"intact": true'
run 2 ledger verify --key no-such-file
says .err "neither a file nor a key"
run 3 ledger verify --key "$old"
run 1 ledger verify --key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
says .out "DAMAGED"
says .out "no entry is proven"

# One byte of entry 7.
offset=$(grep -aob '"number":7}' .bartizan/ledger/tile/entries/000 | cut -d: -f1)
printf 'x' | dd of=.bartizan/ledger/tile/entries/000 bs=1 seek=$((offset + 9)) conv=notrunc 2>/dev/null
run 1 ledger verify --key audit.vkey
says .out "tile/entries/000: byte"
says .out "entry 7: it is not the entry that was logged"
says .out "entries 0 to 6 are proven, entry 7 is not"
run 1 ledger verify --format json
says .out '"first_bad": 7'
run 0 ledger show --from 6 --count 1
run 3 ledger show --from 7 --count 1
says .err "entry 7 is not the one that was logged"
run 3 ledger prove 7
fresh
rm .bartizan/ledger/tile/0/000
run 1 ledger verify
says .out "tile/0/000: missing"
says .out "all 260 entries of the checkpoint are proven"
fresh
rm -r .bartizan/ledger/evidence
run 0 ledger verify
says .out "evidence: 0 intact, 1 deleted"
fresh
cp "$old" .bartizan/ledger/checkpoint
run 1 ledger verify
says .out "checkpoint: has 100 entries, the writer signed 260: it was put back"
fresh

# Entries, hostile ones escaped.
run 0 ledger show --from 0 --count 4
says .out '0  {"type":"run-started","run":"golden"}'
says .out '2  hostile \x1b[31mred\x1b[0m \u202etxt.exe'
is "$(wc -l <.out)" 4 "one line an entry"
run 0 ledger show
is "$(head -1 .out)" '240  {"type":"event","number":240}' "the last twenty"
run 0 ledger show --from 0 --count 5 --format json
is "$(LC_ALL=C tr -d '\12\40-\176' <.out | wc -c)" 0 "JSON is plain ASCII"
says .out '"text":"hostile \u001B[31mred'
says .out '"base64":"//4gYmluYXJ5"'
run 0 ledger show --from 1000 --format json
is "$(cat .out)" "[]" "nothing there is an empty list"
run 2 ledger show --count 0

# Checkpoint and proofs.
run 0 ledger checkpoint
is "$(cat .out)" "$(cat "$golden/ledger/checkpoint")" "the checkpoint as it is"
run 0 ledger checkpoint -o now
run 0 ledger prove 2 -o two.tlog-proof
empty .out
is "$(head -1 two.tlog-proof)" "c2sp.org/tlog-proof@v1" "C2SP tlog-proof"
mv .bartizan away
run 0 ledger check-proof two.tlog-proof --key audit.vkey
says .out "proven: entry 2 of golden.example/ledger, under its checkpoint of 260 entries"
says .out '\x1b[31m'
printf 'hostile \033[31mred\033[0m \342\200\256txt.exe \007\n end' >entry
run 0 ledger check-proof two.tlog-proof --key audit.vkey --entry entry
printf 'x' >>entry
run 1 ledger check-proof two.tlog-proof --key audit.vkey --entry entry
says .out "NOT PROVEN"
sed 's/^index 2/index 3/' two.tlog-proof >three.tlog-proof
run 1 ledger check-proof three.tlog-proof --key audit.vkey
run 1 ledger check-proof two.tlog-proof \
    --key example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k
run 2 ledger check-proof two.tlog-proof
run 3 ledger check-proof audit.vkey --key audit.vkey
run 4 ledger check-proof none --key audit.vkey
mv away .bartizan
run 2 ledger prove
run 2 ledger prove 1 --from-checkpoint "$old"
run 2 ledger prove two
run 3 ledger prove 260
run 0 ledger prove --from-checkpoint "$old" -o since
is "$(head -1 since)" "old 100" "the form a witness takes"
run 0 ledger check-proof since --key audit.vkey --from-checkpoint "$old"
says .out "golden.example/ledger with 260 entries continues the checkpoint of 100"
run 1 ledger check-proof since --key audit.vkey --from-checkpoint now
run 2 ledger check-proof since --key audit.vkey
run 5 ledger prove --from-checkpoint two.tlog-proof

# A witness elsewhere.
run 2 ledger witness
run 2 ledger witness --init
run 0 ledger witness --init --key w.key --name witness.example/w1
is "$(cat .out)" "$(cat w.key.vkey)" "the verifier key is printed and kept"
is "$(stat -c %a w.key)" 600 "the private key is private"
run 4 ledger witness --init --key w.key --name witness.example/w1
run 0 ledger witness --sign "$old" --key w.key --log audit.vkey -o cosigned-100
run 4 ledger witness --sign now --key w.key --log audit.vkey
says .err "last cosigned 100 entries"
run 0 ledger witness --sign since --key w.key --log audit.vkey -o cosigned
run 4 ledger witness --sign "$old" --key w.key --log audit.vkey
run 5 ledger witness --sign since --key w.key --log w.key.vkey
run 0 ledger witness --check cosigned --key w.key.vkey
says .out "intact, 260 entries"
run 0 ledger witness --check cosigned-100 --key w.key.vkey --log audit.vkey
run 5 ledger witness --check now --key w.key.vkey
run 1 ledger check-proof two.tlog-proof --key audit.vkey --witness w.key.vkey
says .out "0 of the given witnesses cosigned; 1 are needed"
{ sed '/^$/q' two.tlog-proof; cat cosigned; } >witnessed.tlog-proof
run 0 ledger check-proof witnessed.tlog-proof --key audit.vkey --witness w.key.vkey
run 0 ledger check-proof two.tlog-proof --key audit.vkey --witness w.key.vkey --need 0
done_testing
