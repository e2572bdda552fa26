#!/usr/bin/env python3
"""Writes words.onnx and words.txt: a classifier of texts that can be worked out by hand, with the inputs and the output of BERT.

Class 0 is positive, class 1 negative. Each token has a weight; the score of class 0 is the mean over the tokens of a text, with
[CLS] and [SEP] and without [PAD], that of class 1 is 0; a softmax follows. The files in the repository were made by:
python3 make_words.py words.onnx words.txt
"""
import struct
import sys

WEIGHTS = {
    "[PAD]": 100, "[UNK]": -1, "[CLS]": 0, "[SEP]": 0, "the": 0, "a": 0, "and": 0, "was": 0, "movie": 0, "film": 0, "plot": 0,
    ".": 0, ",": 0, "##s": 0, "##ly": 0, "good": 1, "fine": -0.5, "decent": 0.5, "great": 3, "superb": 2, "bad": -1, "poor": 0.5,
    "awful": -3, "dread": -1, "##ful": -1, "lousy": 1,
}


# The few wire types of Protocol Buffers that are needed; fields as in onnx.proto3.
def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def number(field, n):
    return varint(field << 3) + varint(n)


def data(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tensor(name, kind, dims, values):  # 1: float, 7: int64
    raw = struct.pack("<%d%s" % (len(values), "f" if kind == 1 else "q"), *values)
    return data(5, b"".join(number(1, d) for d in dims) + number(2, kind) + data(8, name) + data(9, raw))


def value(field, name, kind, dims):
    shape = b"".join(data(1, data(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return data(field, data(1, name) + data(2, data(1, number(1, kind) + data(2, shape))))


def node(op, inputs, output, **ints):
    attributes = b"".join(data(5, data(1, k) + number(3, v & (1 << 64) - 1) + number(20, 2)) for k, v in ints.items())
    return data(1, b"".join(data(1, i) for i in inputs.split()) + data(2, output) + data(3, output) + data(4, op) + attributes)


def model(graph):
    return number(1, 8) + data(7, data(2, "words") + graph) + data(8, number(2, 17))


if __name__ == "__main__":
    open_dims = ["batch", "sequence"]
    graph = (
        value(11, "input_ids", 7, open_dims) + value(11, "attention_mask", 7, open_dims) +
        value(11, "token_type_ids", 7, open_dims) + value(12, "logits", 1, ["batch", 2]) +
        tensor("table", 1, [len(WEIGHTS), 2], [x for w in WEIGHTS.values() for x in (w, 0)]) +
        tensor("one", 7, [1], [1]) + tensor("two", 7, [1], [2]) +
        node("Gather", "table input_ids", "e") + node("Cast", "attention_mask", "m", to=1) +
        node("Unsqueeze", "m two", "m3") + node("Mul", "e m3", "em") + node("ReduceSum", "em one", "sum", keepdims=0) +
        node("ReduceSum", "m one", "count", keepdims=1) + node("Div", "sum count", "mean") +
        node("Softmax", "mean", "logits", axis=-1))
    with open(sys.argv[1], "wb") as f:
        f.write(model(graph))
    with open(sys.argv[2], "w") as f:
        f.write("".join(w + "\n" for w in WEIGHTS))
