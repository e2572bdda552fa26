#!/usr/bin/env python3
"""Writes trees.onnx: a tree ensemble as exporters of scikit-learn write them, small enough to be read by eye.

Inputs: age, income, member. Two trees, summed: class 1 where
    income > 50            (tree 0: one point for class 1, else one for class 0)
    age > 40 and member    (tree 1: one and a half for class 1, else nothing)
Needs the package onnx. The file in the repository was made by: python3 make_trees.py trees.onnx
"""
import sys

import onnx
from onnx import TensorProto, helper

#      tree node feature value mode        true false
NODES = [
    (0, 0, 1, 50.0, "BRANCH_LEQ", 1, 2),
    (0, 1, 0, 0.0, "LEAF", 0, 0),
    (0, 2, 0, 0.0, "LEAF", 0, 0),
    (1, 0, 0, 40.0, "BRANCH_LEQ", 1, 2),
    (1, 1, 0, 0.0, "LEAF", 0, 0),
    (1, 2, 2, 0.5, "BRANCH_LEQ", 3, 4),
    (1, 3, 0, 0.0, "LEAF", 0, 0),
    (1, 4, 0, 0.0, "LEAF", 0, 0),
]
#        tree node class weight
LEAVES = [(0, 1, 0, 1.0), (0, 2, 1, 1.0), (1, 1, 0, 0.0), (1, 3, 0, 0.0), (1, 4, 1, 1.5)]

node = helper.make_node(
    "TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
    nodes_treeids=[n[0] for n in NODES], nodes_nodeids=[n[1] for n in NODES],
    nodes_featureids=[n[2] for n in NODES], nodes_values=[n[3] for n in NODES],
    nodes_modes=[n[4] for n in NODES], nodes_truenodeids=[n[5] for n in NODES],
    nodes_falsenodeids=[n[6] for n in NODES],
    class_treeids=[n[0] for n in LEAVES], class_nodeids=[n[1] for n in LEAVES],
    class_ids=[n[2] for n in LEAVES], class_weights=[n[3] for n in LEAVES],
    classlabels_int64s=[0, 1], post_transform="NONE")
graph = helper.make_graph(
    [node], "trees",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
    [helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
     helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 2])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15), helper.make_opsetid("ai.onnx.ml", 1)])
model.ir_version = 8
onnx.checker.check_model(model)
onnx.save(model, sys.argv[1])
