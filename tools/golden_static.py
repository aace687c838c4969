#!/usr/bin/env python3
"""Makes tests/data/golden/static: tiny static models with random vectors, and what model2vec (folders without
modules.json) and sentence-transformers (those with one) compute from them.

Run with model2vec, torch and sentence-transformers installed:

    python tools/golden_static.py [--check]

--check makes everything in a temporary folder and compares it with what is committed.

    golden/static/NAME/               a model
        expected.json                 {"versions", "texts": more than the common ones, "cases": [{"max_tokens"}, …]}; 0: the
                                      model's
        expected.f32                  little-endian floats: for each case [texts, dim]
"""
import argparse
import json
import os
import shutil
import sys
import tempfile

import model2vec
import numpy as np
import sentence_transformers
import torch
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, StaticEmbedding
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data", "golden")
DIM = 40  # whole vectors of every ISA, and a rest
MORE_TEXTS = ["☃ ☃☃", "[UNK] [CLS] [SEP] [PAD]", "a " * 3000, "naïve ☃ café " * 150, " " * 2000 + "the end", "é" * 1537]
TOLERANCE = 2e-6


def wordpiece():
    """That of the goldens, whose ids have gaps, with ids that have none: these models have a vector for each."""
    with open(os.path.join(GOLDEN, "models", "base", "tokenizer.json"), encoding="utf-8") as file:
        root = json.load(file)
    vocab = root["model"]["vocab"]
    extra = {token["content"]: token["id"] for token in root["added_tokens"] if token["content"] not in vocab}
    ids = {old: new for new, old in enumerate(sorted([*vocab.values(), *extra.values()]))}
    root["model"]["vocab"] = {token: ids[old] for token, old in vocab.items()}
    for token in root["added_tokens"]:
        token["id"] = ids[token["id"]]
    root["post_processor"] = None
    return Tokenizer.from_str(json.dumps(root))


def letters():
    """BPE without merges and without an unknown token: what it does not know has no tokens at all."""
    vocab = {text: i for i, text in enumerate("abcdefghijklmnopqrstuvwxyz")}
    tokenizer = Tokenizer(models.BPE(vocab, []))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def unigram():
    pieces = [("<pad>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁the", -1.5)]
    pieces += [(letter, -3.0 - i / 8) for i, letter in enumerate("etaoinshrdlucmfwypvbgkjqxz")]
    tokenizer = Tokenizer(models.Unigram(pieces, 1, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return tokenizer


def rows(seed, count, dtype=np.float32):
    table = np.random.default_rng(seed).standard_normal((count, DIM))
    return np.clip(np.rint(table * 40), -127, 127).astype(np.int8) if dtype == np.int8 else table.astype(dtype)


def package(seed, dtype=np.float32, tokenizer=wordpiece, weights=False, shared=0, modules=False, **config):
    """model2vec's own folder; shared: so many rows for all tokens."""
    def write(folder):
        words = tokenizer()
        vocab = words.get_vocab_size()
        random = np.random.default_rng(seed + 1000)
        model = StaticModel(rows(seed, shared or vocab, dtype), words, config={"model_type": "model2vec", **config},
                            normalize=config.get("normalize", False), max_length=config.get("max_length", 512),
                            weights=random.uniform(-0.5, 2, vocab) if weights else None,
                            token_mapping=random.integers(0, shared, vocab) if shared else None)
        model.save_pretrained(folder)
        os.remove(os.path.join(folder, "README.md"))
        if not modules:
            os.remove(os.path.join(folder, "modules.json"))
    return write


def modules(seed, *after, truncation=None, dtype=np.float32):
    """StaticEmbedding of sentence-transformers, and what comes after it."""
    def write(folder):
        torch.manual_seed(seed)
        words = wordpiece()
        if truncation:
            words.enable_truncation(truncation[0], direction=truncation[1])
        table = torch.from_numpy(rows(seed, words.get_vocab_size(), dtype))
        chain = [StaticEmbedding(words, embedding_weights=table), *(make() for make in after)]
        SentenceTransformer(modules=chain, device="cpu").save(folder, create_model_card=False)
        path = os.path.join(folder, "README.md")
        if os.path.exists(path):
            os.remove(path)
    return write


# NAME: (what writes the folder, max_tokens of the cases)
MODELS = {
    "plain": (package(1), [0, 5, 40]),
    "normalized": (package(2, normalize=True, max_length=30), [0, 100]),
    "unlimited": (package(3, normalize=True, max_length=None), [0, 7]),
    "weighted": (package(4, weights=True, normalize=True), [0]),
    "shared": (package(5, weights=True, shared=31, normalize=True), [0]),
    "shared-bare": (package(6, shared=7), [0]),
    "half": (package(7, np.float16), [0]),
    "half-weighted": (package(8, np.float16, weights=True), [0]),
    "double": (package(9, np.float64), [0]),
    "int8": (package(10, np.int8, normalize=True), [0]),
    "int8-shared": (package(11, np.int8, weights=True, shared=31), [0]),
    "bpe": (package(12, tokenizer=letters, normalize=True), [0]),
    "unigram": (package(13, tokenizer=unigram, normalize=True), [0, 9]),
    "both": (package(14, weights=True, shared=31, normalize=True, max_length=None, modules=True), [0]),
    "module": (modules(15), [0]),
    "module-normalized": (modules(16, Normalize), [0]),
    "module-dense": (modules(17, lambda: Dense(DIM, 24), Normalize), [0]),
    "module-cut": (modules(18, truncation=(12, "right")), [0]),
    "module-cut-left": (modules(19, truncation=(12, "left")), [0]),
}


def exact(folder, texts, max_tokens):
    """What the reference computes from its table in doubles: in floats its sums of long texts drift by more than 2e-6."""
    if os.path.exists(os.path.join(folder, "modules.json")):
        model = SentenceTransformer(folder, device="cpu").double()
        return model.encode(texts, convert_to_numpy=True).astype(np.float32)
    model = StaticModel.from_pretrained(folder, force_download=False)
    if model.embedding.dtype != np.int8:
        model.embedding = model.embedding.astype(np.float64)
    length = {"max_length": max_tokens} if max_tokens else {}
    return model.encode(texts, use_multiprocessing=False, **length).astype(np.float32)


def make(target):
    with open(os.path.join(GOLDEN, "texts.json"), encoding="utf-8") as file:
        texts = json.load(file) + MORE_TEXTS
    versions = {"model2vec": model2vec.__version__, "sentence-transformers": sentence_transformers.__version__}
    for name, (write, lengths) in MODELS.items():
        folder = os.path.join(target, name)
        write(folder)
        rows_of_cases = [exact(folder, texts, length) for length in lengths]
        np.concatenate(rows_of_cases).astype("<f4").tofile(os.path.join(folder, "expected.f32"))
        expected = {"versions": versions, "texts": MORE_TEXTS, "dim": rows_of_cases[0].shape[1],
                    "cases": [{"max_tokens": length} for length in lengths]}
        with open(os.path.join(folder, "expected.json"), "w", encoding="utf-8") as out:
            json.dump(expected, out, ensure_ascii=True, indent=1)
            out.write("\n")


def compare(made, kept):
    wrong = 0
    for name in MODELS:
        ours = np.fromfile(os.path.join(kept, name, "expected.f32"), dtype="<f4")
        theirs = np.fromfile(os.path.join(made, name, "expected.f32"), dtype="<f4")
        worst = float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else np.inf
        print(f"{name}: {worst:.3g}")
        wrong += worst > TOLERANCE * max(1.0, float(np.abs(ours).max()))
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    kept = os.path.join(GOLDEN, "static")
    if not arguments.check:
        shutil.rmtree(kept, ignore_errors=True)
        make(kept)
        return 0
    with tempfile.TemporaryDirectory() as made:
        make(made)
        return 1 if compare(made, kept) else 0


if __name__ == "__main__":
    sys.exit(main())
