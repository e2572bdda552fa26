# rows.sh: what tests of hardening train on. Source it after tap.sh.

rows() { # SEED: two classes of rows of 16 numbers: which half is larger
    awk -v seed="$1" 'BEGIN {
        srand(seed)
        for (i = 0; i < 16; i++) printf "f%d,", i
        print "label"
        for (n = 0; n < 800; n++) {
            y = n % 2
            for (i = 0; i < 16; i++) printf "%.3f,", 0.3 + 0.4 * rand() + ((i < 8) == (y == 0) ? 0.15 : -0.15)
            print y
        }
    }'
}

rows_and_net() { # makes rows.csv and net.onnx
    rows 4 >rows.csv
    cat >net.yaml <<'END'
input: [16]
layers:
- linear: {out: 12}
- relu
- linear: {out: 2}
END
    run 0 robust build --arch net.yaml --seed 3 -o net.onnx
}
