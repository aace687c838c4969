"""Calls of encode() whose results are recorded from sentence-transformers and compared with those of Model."""
import numpy as np

TEXTS = ["A man is eating food.", "", "Grüße aus Köln, 東京 and 😀.", "The quick brown fox jumps over the lazy dog. " * 3]
LONG = "word " * 400

# name: (inputs, options)
CASES = {
    "str": (TEXTS[0], {}),
    "list": (TEXTS, {}),
    "tuple": (tuple(TEXTS), {}),
    "array of str": (np.array(TEXTS), {}),
    "array of objects": (np.array(TEXTS, dtype=object), {}),
    "empty str": ("", {}),
    "list of one": ([TEXTS[2]], {}),
    "a text that is cut": ([LONG, "short"], {}),
    "empty list": ([], {}),
    "empty tuple": ((), {}),
    "empty array": (np.array([], dtype=str), {}),
    "empty, int8": ([], {"precision": "int8"}),
    "empty, binary": ([], {"precision": "binary"}),
    "empty, a list": ([], {"convert_to_numpy": False}),
    "empty, tokens": ([], {"output_value": "token_embeddings"}),
    "empty, all": ([], {"output_value": None}),
    "normalized": (TEXTS, {"normalize_embeddings": True}),
    "cut to 100": (TEXTS, {"truncate_dim": 100}),
    "cut to 100, normalized": (TEXTS, {"truncate_dim": 100, "normalize_embeddings": True}),
    "cut to 1, str": (TEXTS[0], {"truncate_dim": 1}),
    "no precision": (TEXTS, {"precision": None}),
    "binary": (TEXTS, {"precision": "binary"}),
    "ubinary": (TEXTS, {"precision": "ubinary"}),
    "ubinary, cut to 12": (TEXTS, {"precision": "ubinary", "truncate_dim": 12}),
    "binary, str": (TEXTS[0], {"precision": "binary"}),
    "tokens": (TEXTS, {"output_value": "token_embeddings"}),
    "tokens, str": (TEXTS[0], {"output_value": "token_embeddings"}),
    "tokens, cut to 100": (TEXTS[:2], {"output_value": "token_embeddings", "truncate_dim": 100}),
    "prompt": (TEXTS, {"prompt": "query: "}),
    "empty prompt": (TEXTS, {"prompt": ""}),
    "named prompt": (TEXTS, {"prompt_name": "query"}),
    "batches of 1": (TEXTS, {"batch_size": 1}),
    "unknown prompt": (TEXTS, {"prompt_name": "nope"}),
    "batch size 0": (TEXTS, {"batch_size": 0}),
    "unknown precision": (TEXTS, {"precision": "int4"}),
}
SHOWN = 8  # elements of a row that are recorded
