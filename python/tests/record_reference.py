#!/usr/bin/env python3
"""Writes reference.json: what sentence-transformers returns for encode_cases.py, quantize_embeddings, tokenize.

    PYTHON_WITH_TORCH python/tests/record_reference.py MODEL_FOLDER [OUTPUT.json]
"""
import json
import sys
from pathlib import Path

import numpy as np
import sentence_transformers
import torch
import transformers
from encode_cases import CASES, SHOWN, TEXTS
from sentence_transformers import SentenceTransformer
from sentence_transformers.util.quantization import quantize_embeddings


def record(value):
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        rows = value.reshape(-1, value.shape[-1])[:, :SHOWN] if value.ndim and value.size else value
        return {"shape": list(value.shape), "dtype": str(value.dtype), "rows": rows.tolist()}
    return [record(item) for item in value]


def record_call(model, inputs, options):
    try:
        return record(model.encode(inputs, **options))
    except Exception as error:
        return {"error": type(error).__name__, "message": str(error)}


def main():
    model = SentenceTransformer(sys.argv[1], device="cpu")
    vectors = np.random.default_rng(7).normal(size=(120, 20)).astype(np.float32)
    tokens = model.preprocess(TEXTS)
    versions = {"sentence-transformers": sentence_transformers.__version__, "transformers": transformers.__version__,
                "torch": torch.__version__}
    recorded = {
        "versions": versions,
        "encode": {name: record_call(model, *case) for name, case in CASES.items()},
        "quantize": {precision: np.asarray(quantize_embeddings(vectors, precision)).tolist()
                     for precision in ("int8", "uint8", "binary", "ubinary")},
        "tokenize": {name: tokens[name].tolist() for name in ("input_ids", "token_type_ids", "attention_mask")},
        "similarity": model.similarity(vectors[:3], vectors[3:8]).tolist(),
    }
    output = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("reference.json")
    output.write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
