#!/bin/sh
# Back-up, restore and new seal keys from the command line.
. "$BTZ_SOURCE/tests/cli/tap.sh"

run 0 access init alice
run 0 access store backup my.backup
is "$(stat -c %a my.backup)" 600 "the backup is for its owner alone"
run 0 access user add bob
run 4 access store restore my.backup
says .err "--replace true"
run 0 access user list
says .out bob
run 0 access store restore my.backup --replace true
run 0 access user list
says .out alice
silent .out bob
run 0 access log --event alarm
says .out "store.restore"

# Not a backup, a changed one, none; a place that is not there.
echo text >text
run 3 access store restore text --replace true
printf 'x' | dd of=my.backup bs=1 seek=100 conv=notrunc 2>/dev/null
run 5 access store restore my.backup --replace true
says .err "damaged, or of another installation"
run 4 access store restore absent --replace true
run 4 access store backup /nowhere/at/all
run 0 access user list
says .out alice

# New keys: the old one goes in a second step, and what is sealed can be read all the time.
cp .bartizan/access/seal.key before
run 0 access seal rotate
says .out "resealed: 1"
is "$(grep -c '^key ' .bartizan/access/seal.key)" 2 "both keys are kept"
run 0 access seal forget
is "$(grep -c '^key ' .bartizan/access/seal.key)" 1 "one key is left"
is "$(grep '^root ' .bartizan/access/seal.key)" "$(grep '^root ' before)" "the root secret stays"
run 0 access log --event change
says .out "seal.forget"
silent .out damaged
chmod 644 .bartizan/access/seal.key
run 5 access user list
says .err "chmod 600"
chmod 600 .bartizan/access/seal.key

run 0 ledger verify
says .out intact

done_testing
