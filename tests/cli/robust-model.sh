#!/bin/sh
# Networks on the command line: shown, built.
. "$BTZ_SOURCE/tests/cli/tap.sh"

run 2 robust show
says .err "FILE"
run 4 robust show none.onnx
printf 'no network' >bad.onnx
run 3 robust show bad.onnx
cp "$BTZ_SOURCE/tests/fuzz/seeds/onnx/conv" conv.onnx
run 0 robust show conv.onnx
says .out "Conv"
says .out "parameters"
says .out "fixed by the model"
run 0 robust show conv.onnx --format json
if command -v jq >/dev/null; then
    is "$(jq -r '.operators[] | select(.type == "Conv") | .supported' "$work/.out")" true "operators are in JSON"
else
    skip "operators are in JSON" "no jq"
fi

cat >net.yaml <<'END'
input: [1, 8, 8]
layers:
- conv: {out: 4, kernel: 3, stride: 2, pad: 1}
- relu
- flatten
- linear: {out: 3}
END
run 2 robust build
says .err "--arch"
run 0 robust build --arch net.yaml --seed 3 -o net.onnx
run 0 robust build --arch net.yaml --seed 3 -o again.onnx
cmp net.onnx again.onnx >/dev/null 2>&1
ok $? "the same seed makes the same file"
run 0 robust build --arch net.yaml --seed 4 -o other.onnx
! cmp net.onnx other.onnx >/dev/null 2>&1
ok $? "another seed makes another"
run 0 robust build --arch net.yaml -o one.onnx
run 0 robust build --arch net.yaml --seed 1 -o again.onnx
cmp one.onnx again.onnx
ok $? "seed 1 is the default, as elsewhere"
run 0 robust build --arch net.yaml -o dry.onnx --dry-run
[ ! -e dry.onnx ]
ok $? "a dry run writes nothing"
run 0 robust show net.onnx --batch 4
says .out "input  float batchx1x8x8"
says .out "Gemm"
says .out "235 in 4 tensors"
run 0 robust show net.onnx --format json
if command -v jq >/dev/null; then
    is "$(jq -r '.forward.bytes > 0 and .gradient.bytes > .forward.bytes' "$work/.out")" true "memory is planned"
else
    skip "memory is planned" "no jq"
fi
printf 'input: [1, 8, 8]\nlayers:\n- linear: {out: 3}\n' >bad.yaml
run 3 robust build --arch bad.yaml -o bad2.onnx
says .err 'bad.yaml:3: linear: gets 1x8x8'
[ ! -e bad2.onnx ]
ok $? "what fails writes nothing"
# Files that do not fit are 3, not wrong usage.
printf 'neither this nor that' >odd.bin
run 3 robust build --arch net.yaml --weights odd.bin -o bad2.onnx
says .err "neither safetensors"
run 3 robust eval net.onnx --data odd.bin
says .err "none of the formats"
# A pickle that would run a command, were it loaded: bytes, never executed.
cp "$BTZ_SOURCE/tests/fuzz/seeds/pth/bad-system" evil.pth
run 5 robust build --arch net.yaml --weights evil.pth -o bad2.onnx
says .err "wants os.system"
run 3 robust build --arch net.yaml --weights net.yaml -o bad2.onnx
done_testing
