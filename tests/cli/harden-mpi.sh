#!/bin/sh
# harden --mpi: ranks on this machine give the weights of one process; what fails in one rank ends all of them.
. "$(dirname "$0")/tap.sh"
. "${BTZ_SOURCE:?BTZ_SOURCE is the source}/tests/cli/rows.sh"

tools=${BTZ_SOURCE:?BTZ_SOURCE is the source}/tests/tools
module=${BTZ_BUILD:?BTZ_BUILD is the build}/src/robust/harden/bartizan-mpi.so
breaker=$BTZ_BUILD/tests/mpi_fail.so

if [ ! -e "$module" ]; then
    run 0 version --features
    grep -q "mpi  *off" .out
    ok $? "version --features says so"
    skip "ranks" "built without MPI (libopenmpi-dev)"
    done_testing
    exit 0
fi
run 0 version --features
grep -q "mpi  *on" .out
ok $? "version --features says that MPI is in"

rows_and_net
rows 5 >others.csv
few="--epochs 3 --batch 40 --eps 0.05 --measure 200 --threads 1"
run 0 harden net.onnx --data rows.csv $few -o one.onnx

# Without its module it says what is missing.
BTZ_MPI_MODULE=$work/nowhere.so run 2 harden net.onnx --data rows.csv $few --mpi -o x.onnx
says .err "libopenmpi-dev"

if ! command -v mpirun >/dev/null; then
    skip "ranks" "no mpirun (openmpi-bin)"
    done_testing
    exit 0
fi

# One machine: shared memory between ranks, the loopback for mpirun's own talk, and its files in our folder.
BTZ_MPI_MODULE=$module
OMPI_MCA_pml=ob1
OMPI_MCA_btl=self,vader
OMPI_MCA_btl_vader_single_copy_mechanism=none
OMPI_MCA_oob_tcp_if_include=lo
OMPI_MCA_btl_tcp_if_include=lo
OMPI_MCA_orte_tmpdir_base=$work/mpi
# Open MPI never frees some of its memory and unloads its parts before leaks are looked for, so that no suppression can name
# them. Leaks of our own are seen without ranks (harden.sh); everything else of the sanitizers is on here.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
export BTZ_MPI_MODULE OMPI_MCA_pml OMPI_MCA_btl OMPI_MCA_btl_vader_single_copy_mechanism OMPI_MCA_oob_tcp_if_include \
    OMPI_MCA_btl_tcp_if_include OMPI_MCA_orte_tmpdir_base ASAN_OPTIONS
mkdir mpi
as_root=
[ "$(id -u)" != 0 ] || as_root=--allow-run-as-root

ranks() { # STATUS NUMBER COMMAND...: 124 and 137 are those of a run that hangs
    wanted=$1 count=$2
    shift 2
    status=0
    timeout -k 5 180 mpirun $as_root --oversubscribe -n "$count" "$@" >.out 2>.err </dev/null || status=$?
    [ "$status" -eq "$wanted" ]
    ok $? "$count ranks exit with $wanted (did: $status)"
}

near() { # FILE NAME: the weights are those of one process
    if /usr/bin/python3 -c 'import onnx' 2>/dev/null; then
        /usr/bin/python3 "$tools/onnx_near.py" one.onnx "$1" 1e-5 >.out 2>.err
        ok $? "$2: the weights of one process"
        sed 's/^/# /' .out
    else
        skip "$2: the weights of one process" "no python3-onnx"
    fi
}

ranks 0 1 "$bartizan" harden net.onnx --data rows.csv $few --mpi -o mpi1.onnx
cmp one.onnx mpi1.onnx
ok $? "one rank gives the bytes of one process"
for n in 2 4; do
    ranks 0 $n "$bartizan" harden net.onnx --data rows.csv $few --mpi -o mpi$n.onnx
    says .out "fgsm-rs, eps 0.05 in linf, 60 batches"
    is "$(grep -c '^after' .out)" 1 "one rank prints"
    near mpi$n.onnx "$n ranks"
    [ ! -e mpi$n.onnx.checkpoint ]
    ok $? "no checkpoint is left"
done

# As an ordinary user, where this one may become another.
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
if [ -z "$as_root" ]; then
    ok 0 "all of this as an ordinary user"
elif chmod 755 . && $nobody test -x "$bartizan" 2>/dev/null && $nobody test -r "$module"; then
    mkdir -m 777 nobody
    for file in net.onnx rows.csv; do cp $file nobody/ && chmod 644 nobody/$file; done
    was=$as_root as_root=
    OMPI_MCA_orte_tmpdir_base=$work/nobody
    cd nobody
    status=0
    HOME=$work/nobody timeout -k 5 180 $nobody mpirun --oversubscribe -n 2 "$bartizan" harden net.onnx --data rows.csv $few --mpi \
        -o mpi.onnx >../.out 2>../.err </dev/null || status=$?
    cd ..
    is $status 0 "2 ranks of an ordinary user"
    as_root=$was
    OMPI_MCA_orte_tmpdir_base=$work/mpi
    near nobody/mpi.onnx "2 ranks of an ordinary user"
else
    skip "ranks of an ordinary user" "nobody cannot read the build, or cannot be become"
fi

# One rank that fails ends all, with its own status and reason.
cat >rank <<'END'
#!/bin/sh
# rank FIRST SECOND COMMAND...: @ in the command is FIRST in rank 1 and SECOND in the others
[ "$OMPI_COMM_WORLD_RANK" = 1 ] && file=$1 || file=$2
shift 2
for word; do
    shift
    [ "$word" != @ ] || word=$file
    set -- "$@" "$word"
done
exec "$@"
END
chmod +x rank
ranks 3 4 ./rank others.csv rows.csv "$bartizan" harden net.onnx --data @ $few --mpi -o x.onnx
says .err "rank 1 has another model, other data or other options than rank 0"
ranks 4 4 ./rank nothere.csv rows.csv "$bartizan" harden net.onnx --data @ $few --mpi -o x.onnx
says .err "nothere.csv"
ranks 2 2 "$bartizan" harden net.onnx --data rows.csv $few --mpi --clean-ratio 7 -o x.onnx
[ ! -e x.onnx ]
ok $? "what fails writes nothing"

# An error of MPI itself, and a rank that is killed: the others end, and the same command continues at the checkpoint.
for how in error kill; do
    for which in 0 1; do
        name=$how$which.onnx
        [ $how = error ] && wanted=4 || wanted=137
        ranks $wanted 2 env LD_PRELOAD="$breaker" MPI_FAIL_HOW=$how MPI_FAIL_RANK=$which MPI_FAIL_CALL=70 \
            "$bartizan" harden net.onnx --data rows.csv $few --mpi --checkpoint-every 0s -o $name
        if [ $how = error ]; then
            says .err "--mpi: rank $which of 2: sum over all ranks: MPI_ERR_INTERN"
        else
            says .err "signal 9"
        fi
        [ -s $name.checkpoint ] && [ ! -e $name ]
        ok $? "a checkpoint is left, and no model"
        if [ $which = 0 ]; then
            ranks 0 2 "$bartizan" harden net.onnx --data rows.csv $few --mpi --checkpoint-every 0s -o $name
        else
            run 0 harden net.onnx --data rows.csv $few --checkpoint-every 0s -o $name
        fi
        says .out "continued at batch"
        near $name "continued after rank $which: $how"
    done
done
done_testing
