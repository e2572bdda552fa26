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
run 0 robust show conv.onnx --format json
if command -v jq >/dev/null; then
    is "$(jq -r '.operators[] | select(.type == "Conv") | .supported' "$work/.out")" true "operators are in JSON"
else
    skip "operators are in JSON" "no jq"
fi
done_testing
