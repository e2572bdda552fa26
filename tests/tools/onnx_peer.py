#!/usr/bin/env python3
"""Outside truth for a model that was written: onnx's checker, and its outputs worked out from nodes and initializers.

usage: onnx_peer.py MODEL OPSET INPUTS OUTPUTS  (float32, raw; OUTPUTS are those of the program under test)

The forward pass is torch's where torch is installed, numpy's otherwise. Exit status 1 where something differs.
"""
import sys

import numpy as np
import onnx
from onnx import helper, numpy_helper

try:
    import torch
except ImportError:
    torch = None


def unfold(x, kernel, stride, pad):
    """Windows of batch x channels x height x width, as batch x height x width x (channels of a window, flat)."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    v = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))[:, :, ::stride, ::stride]
    return v.transpose(0, 2, 3, 1, 4, 5).reshape(v.shape[0], v.shape[2], v.shape[3], -1)


def by_numpy(op, a, x, w):
    if op == "Conv":
        out = unfold(x, w[0].shape[2], a["strides"][0], a["pads"][0]) @ w[0].reshape(len(w[0]), -1).T + w[1]
        return out.transpose(0, 3, 1, 2)
    if op == "BatchNormalization":
        scale, shift, mean, var = (v[None, :, None, None] for v in w)
        return (x - mean) / np.sqrt(var + a.get("epsilon", 1e-5)) * scale + shift
    if op == "Gemm":
        return x @ (w[0].T if a.get("transB") else w[0]) + w[1]
    return {"Relu": lambda: np.maximum(x, 0), "Flatten": lambda: x.reshape(len(x), -1), "Sub": lambda: x - w[0]}[op]()


def by_torch(op, a, x, w):
    f = torch.nn.functional
    if op == "Conv":
        return f.conv2d(x, w[0], w[1], stride=a["strides"], padding=a["pads"][:2])
    if op == "BatchNormalization":
        return f.batch_norm(x, w[2], w[3], w[0], w[1], training=False, eps=a.get("epsilon", 1e-5))
    if op == "Gemm":
        return f.linear(x, w[0] if a.get("transB") else w[0].T, w[1])
    return {"Relu": lambda: f.relu(x), "Flatten": lambda: x.flatten(1), "Sub": lambda: x - w[0]}[op]()


def forward(model, x):
    step, of = (by_torch, lambda v: torch.from_numpy(v.copy())) if torch else (by_numpy, lambda v: v.astype(np.float64))
    values = {t.name: of(numpy_helper.to_array(t)) for t in model.graph.initializer}
    values[model.graph.input[0].name] = of(x)
    for n in model.graph.node:
        a = {v.name: helper.get_attribute_value(v) for v in n.attribute}
        x, *w = (values[name] for name in n.input)
        values[n.output[0]] = step(n.op_type, a, x, w)
    return np.asarray(values[model.graph.output[0].name])


def main(path, opset, inputs, outputs):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    found = [(o.domain, o.version) for o in model.opset_import]
    if found != [("", int(opset))]:
        sys.exit(f"opset {found}, expected {opset}")
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim][1:]
    x = np.fromfile(inputs, np.float32).reshape(-1, *shape)
    want = forward(model, x)
    got = np.fromfile(outputs, np.float32).reshape(want.shape)
    worst = float(np.abs(got - want).max() / max(1.0, float(np.abs(want).max())))
    print(f"# opset {opset}, {'torch' if torch else 'numpy'}, {len(x)} inputs: largest difference {worst:.2g}")
    if not worst <= 1e-4:
        sys.exit(f"outputs differ by {worst:.3g}")


main(*sys.argv[1:])
