#!/bin/sh
# harden: one-step training of a small network from scratch reaches on MNIST what the guide says of it, under all of AutoAttack on
# a sample. Minutes of work, so builds without sanitizers alone have it (meson.build); bench/RESULTS.md has the whole test set.
. "$(dirname "$0")/tap.sh"

mnist=${BTZ_SOURCE:?BTZ_SOURCE is the source}/../shared/data/model/mnist
train="--data $mnist/train-images-idx3-ubyte.gz --labels $mnist/train-labels-idx1-ubyte.gz"
test="--data $mnist/t10k-images-idx3-ubyte.gz --labels $mnist/t10k-labels-idx1-ubyte.gz"
if [ ! -e "$mnist/train-images-idx3-ubyte.gz" ]; then
    skip "training on MNIST" "no $mnist"
    done_testing
    exit 0
fi

# The network of fast_adversarial.
cat >net.yaml <<'END'
input: [1, 28, 28]
layers:
- conv: {out: 16, kernel: 4, stride: 2, pad: 1}
- relu
- conv: {out: 32, kernel: 4, stride: 2, pad: 1}
- relu
- flatten
- linear: {out: 100}
- relu
- linear: {out: 10}
END
run 0 robust build --arch net.yaml --seed 1 -o net.onnx
run 0 harden net.onnx $train --method fgsm-rs --eps 0.3 --threads 1 -o hard.onnx
run 0 robust eval hard.onnx $test --format json
right=$(awk '/"correct"/ { gsub("[^0-9]", ""); print; exit }' .out)
[ "$right" -ge 9830 ]
ok $? "$right of 10,000 are right as they are, 9,830 are wanted"
run 1 robust attack hard.onnx $test --eps 0.3 --samples 1000 --threads 1 --format json
left=$(grep -o 'worst case of all attacks [0-9.]*' .out | awk '{ print $6; exit }')
awk -v left="$left" 'BEGIN { exit !(left >= 82) }'
ok $? "$left % are left under all of AutoAttack, 82 % are wanted"
done_testing
