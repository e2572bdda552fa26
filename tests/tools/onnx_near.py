#!/usr/bin/env python3
"""Are the weights of two ONNX models the same to a tolerance, tensor by tensor?

usage: onnx_near.py WANTED FOUND TOLERANCE  (relative to 1 + |wanted|)

Prints the largest difference; exit status 1 where names, types, shapes or values differ.
"""
import sys

import numpy as np
import onnx
from onnx import numpy_helper


def weights(path):
    return {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}


wanted, found, tolerance = weights(sys.argv[1]), weights(sys.argv[2]), float(sys.argv[3])
if not wanted or list(wanted) != list(found):
    sys.exit(f"tensors {list(found)}, wanted {list(wanted)}")
worst = 0.0
for name, w in wanted.items():
    f = found[name]
    if (f.dtype, f.shape) != (w.dtype, w.shape):
        sys.exit(f"{name}: {f.dtype}{f.shape}, wanted {w.dtype}{w.shape}")
    w, f = w.astype(np.float64), f.astype(np.float64)
    off = float(np.max(np.abs(f - w) / (1 + np.abs(w)), initial=0.0))
    if not off <= tolerance:  # a NaN is no small number
        sys.exit(f"{name}: differs by {off:g}, at most {tolerance:g} is wanted")
    worst = max(worst, off)
print(f"{len(wanted)} tensors, largest difference {worst:.2g}")
