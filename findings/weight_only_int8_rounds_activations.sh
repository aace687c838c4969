#!/usr/bin/env bash
# onnxruntime 1.32.0: DequantizeLinear of an int8 weight with a float scale for each output, then MatMul; activations are float32
# in the file. Guess: the product is the float32 one, whatever the optimisation level. Seen: by default the two become MatMulNBits
# of accuracy level 4, which rounds activations to int8 too, in blocks of 32 with a scale each: beside 1.0 an element of 0.003 is
# lost, and is kept where it is the largest of its block. With session.qdq_matmulnbits_accuracy_level = 1, or without
# optimisations, it is the float32 product.
# usage: findings/weight_only_int8_rounds_activations.sh     needs python3 with venv and pip; makes a temporary folder and removes it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
seen=$(cd "$folder" && venv/bin/python - 2>"$folder/log" <<'END'
import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
# Output 0 reads element 1, output 1 element 32; element 0, the largest of its block, has weights of 0.
weight = numpy.zeros((SIZE, SIZE), numpy.int8)
weight[1, 0] = weight[32, 1] = 100
graph = helper.make_graph(
    [helper.make_node("DequantizeLinear", ["weight", "scale"], ["plain"], axis=1),
     helper.make_node("MatMul", ["x", "plain"], ["y"])],
    "product", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", SIZE])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", SIZE])],
    [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(numpy.full(SIZE, 0.01, numpy.float32), "scale")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
x = numpy.zeros((1, SIZE), numpy.float32)
x[0, 0], x[0, 1], x[0, 32] = 1.0, 0.003, 0.003

for name in ("default", "level 1", "no optimisation"):
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = "optimised.onnx"
    if name == "level 1":
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    if name == "no optimisation":
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    y = session.run(None, {"x": x})[0]
    nodes = onnx.load("optimised.onnx").graph.node
    print(f"{name}: {' '.join(node.op_type for node in nodes)}: {y[0, 0]:.4f} {y[0, 1]:.4f}")
END
) || { cat "$folder/log" >&2; exit 1; }
expected='default: MatMulNBits: 0.0000 0.0030
level 1: MatMulNBits: 0.0030 0.0030
no optimisation: DequantizeLinear MatMul: 0.0030 0.0030'
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { printf 'this has changed; it was:\n%s\n' "$expected" >&2; exit 1; }
