#!/usr/bin/env python3
"""Makes tests/data/golden: tiny models with random weights, and what sentence-transformers computes from them.

Run with torch, transformers and sentence-transformers installed (the versions are written to golden/VERSIONS):

    python tools/make_goldens.py [--check | --add]

--check makes everything in a temporary folder and compares it with what is committed; --add makes the models and
variants that are not there yet.

    golden/texts.json                 the texts, chosen so that their lengths cross 16, 64, 128 and 512 tokens
    golden/models/NAME/               a model in Hugging Face layout
    golden/variants/NAME/             files laid over a copy of a model, and
        expected.json                 {"model": …, "remove": […], "texts": the variant's own, or absent, "typed": token types are not all 0,
                                       "cases": [{"prompt_name", "token_ids"}, …],
                                       "states": [text, …], "hidden": size of a state if it is another than dim}
        expected.f32                  little-endian floats: for each case [texts, hidden], then the last hidden states
                                      of the texts in "states", all their tokens, without a prompt

Weights are scaled so that attention is peaked (a softmax close to one-hot for many rows) and every LayerNorm has
weights and biases of its own: an error anywhere shows in the output.
"""
import argparse
import filecmp
import json
import os
import shutil
import sys
import tempfile

import numpy as np
import torch
import transformers
import sentence_transformers
from safetensors.torch import save, save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data", "golden")
TOLERANCE = 2e-6

WORDS = """the of and to in is was for on that by with as it from at his an were are which this be or had first one
their has its new after who they two her she been other when time during there into all more year over only most
river stone light water house night small green paper music winter garden silver engine vector north window""".split()
SUFFIXES = "##s ##ed ##ing ##er ##ly ##tion ##al ##est".split()


def make_vocab():
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocab += [c for c in "0123456789.,:;!?'-()"] + letters + ["##" + c for c in letters] + ["##" + c for c in "0123456789"]
    vocab += ["中", "文", "é", "ß"] + WORDS + SUFFIXES
    return vocab


VOCAB = make_vocab()


def make_texts():
    """Texts whose numbers of tokens (special tokens included) are given here, and a few of other kinds."""
    random = np.random.RandomState(7)
    texts = []
    for length in (3, 15, 16, 17, 18, 31, 33, 63, 64, 65, 66, 127, 128, 129, 257, 513, 700):
        texts.append(" ".join(WORDS[i] for i in random.randint(len(WORDS), size=length - 2)))
    texts += ["", "The River!", "Unknown: ☃ and \U0001f600.", "Café, ÉTÉ; naïve (2024)", "中文 stones\twalked\nslowly",
              "qzxjv " * 9 + "engines"]
    return texts


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, ensure_ascii=False, indent=1)
        out.write("\n")


def make_weights(seed, config, peak=1.7):
    """State dict of a BertModel without pooler, float32."""
    random = np.random.RandomState(seed)
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    weights = {}

    def normal(name, shape, std):
        weights[name] = torch.from_numpy((random.standard_normal(shape) * std).astype(np.float32))

    def norm(name):
        weights[name + ".weight"] = torch.from_numpy((1 + 0.3 * random.standard_normal(hidden)).astype(np.float32))
        weights[name + ".bias"] = torch.from_numpy((0.2 * random.standard_normal(hidden)).astype(np.float32))

    def linear(name, out_features, in_features, scale):
        normal(name + ".weight", (out_features, in_features), scale / np.sqrt(in_features))
        normal(name + ".bias", (out_features,), 0.1)

    normal("embeddings.word_embeddings.weight", (config["vocab_size"], hidden), 1.0)
    normal("embeddings.position_embeddings.weight", (config["max_position_embeddings"], hidden), 0.5)
    normal("embeddings.token_type_embeddings.weight", (config["type_vocab_size"], hidden), 0.5)
    norm("embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        linear(layer + "attention.self.query", hidden, hidden, peak)
        linear(layer + "attention.self.key", hidden, hidden, peak)
        linear(layer + "attention.self.value", hidden, hidden, 1.0)
        linear(layer + "attention.output.dense", hidden, hidden, 1.0)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", ffn, hidden, 1.2)
        linear(layer + "output.dense", hidden, ffn, 1.2)
        norm(layer + "output.LayerNorm")
    return weights


def mpnet_weights(seed, config):
    """Of an MPNetModel; the bias by distance is as large as the scores."""
    renamed = {"self.query": "attn.q", "self.key": "attn.k", "self.value": "attn.v", "attention.output.dense": "attention.attn.o",
               "attention.output.LayerNorm": "attention.LayerNorm"}
    bias = np.random.RandomState(seed + 1000).standard_normal((32, config["num_attention_heads"])) * 1.5
    return {**rename(make_weights(seed, {**config, "type_vocab_size": 1}), renamed),
            "encoder.relative_attention_bias.weight": torch.from_numpy(bias.astype(np.float32))}


def distilbert_weights(seed, config):
    renamed = {"encoder.layer": "transformer.layer", "self.query": "q_lin", "self.key": "k_lin", "self.value": "v_lin",
               "attention.output.dense": "attention.out_lin", "attention.output.LayerNorm": "sa_layer_norm",
               "intermediate.dense": "ffn.lin1", "output.dense": "ffn.lin2", "output.LayerNorm": "output_layer_norm"}
    sizes = {"hidden_size": config["dim"], "intermediate_size": config["hidden_dim"],
             "num_hidden_layers": config["n_layers"], "type_vocab_size": 1}
    return rename(make_weights(seed, {**config, **sizes}), renamed)


def rename(weights, renamed):
    """Without types; the first of the names in `renamed` counts."""
    made = {}
    for key, value in weights.items():
        if "token_type" in key:
            continue
        for old, new in renamed.items():
            if old in key and not (old == "output.dense" and "attention" in key):
                key = key.replace(old, new)
        made[key] = value
    return made


def bert_config(layers, hidden, heads, ffn, positions, **more):
    config = {"architectures": ["BertModel"], "attention_probs_dropout_prob": 0.0, "hidden_act": "gelu",
              "hidden_dropout_prob": 0.0, "hidden_size": hidden, "intermediate_size": ffn, "layer_norm_eps": 1e-12,
              "max_position_embeddings": positions, "model_type": "bert", "num_attention_heads": heads,
              "num_hidden_layers": layers, "pad_token_id": 0, "type_vocab_size": 2, "vocab_size": len(VOCAB)}
    config.update(more)
    return config


def pooling_config(hidden, mode="mean", **more):
    names = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "mean_sqrt": "mean_sqrt_len_tokens",
             "weightedmean": "weightedmean_tokens", "lasttoken": "lasttoken"}
    config = {"word_embedding_dimension": hidden}
    for key, name in names.items():
        config["pooling_mode_" + name] = key == mode
    config.update(more)
    return config


def modules_config(normalize=True):
    chain = ["Transformer", "Pooling"] + (["Normalize"] if normalize else [])
    paths = ["", "1_Pooling", "2_Normalize"]
    return [{"idx": i, "name": str(i), "path": paths[i], "type": "sentence_transformers.models." + name}
            for i, name in enumerate(chain)]


TOKENIZER_CONFIG = {"cls_token": "[CLS]", "do_lower_case": True, "mask_token": "[MASK]",
                    "model_max_length": 1000000000000000019884624838656, "pad_token": "[PAD]", "sep_token": "[SEP]",
                    "strip_accents": None, "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer",
                    "unk_token": "[UNK]"}


def write_tokenizer(folder):
    vocab = {token: i for i, token in enumerate(VOCAB)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(True, True, None, True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    write_json(os.path.join(folder, "tokenizer_config.json"), TOKENIZER_CONFIG)


def write_model(root, name, config, weights, shards=1):
    folder = os.path.join(root, "models", name)
    if os.path.isdir(folder):
        return
    write_json(os.path.join(folder, "config.json"), config)
    write_json(os.path.join(folder, "modules.json"), modules_config())
    write_json(os.path.join(folder, "1_Pooling", "config.json"),
               pooling_config(config.get("hidden_size") or config["dim"]))
    write_tokenizer(folder)
    metadata = {"format": "pt"}
    if shards == 1:
        save_file(weights, os.path.join(folder, "model.safetensors"), metadata)
        return
    names = list(weights)
    weight_map = {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = {key: weights[key] for key in names[i::shards]}
        save_file(part, os.path.join(folder, file), metadata)
        weight_map.update({key: file for key in part})
    write_json(os.path.join(folder, "model.safetensors.index.json"),
               {"metadata": {"total_size": sum(w.numel() * w.element_size() for w in weights.values())},
                "weight_map": dict(sorted(weight_map.items()))})


def write_models(root):
    """Head sizes 16, 8, 64, 32; every stored type; every layout of names and files."""
    config = bert_config(layers=2, hidden=32, heads=2, ffn=64, positions=160)
    write_model(root, "base", config, make_weights(1, config))

    config = bert_config(layers=3, hidden=24, heads=3, ffn=56, positions=130)
    write_model(root, "sharded-f16", config,
                {k: v.to(torch.float16) for k, v in make_weights(2, config).items()}, shards=3)

    config = bert_config(layers=2, hidden=64, heads=1, ffn=128, positions=70, layer_norm_eps=1e-5)
    write_model(root, "wide-bf16", config, {k: v.to(torch.bfloat16) for k, v in make_weights(3, config).items()})

    config = bert_config(layers=1, hidden=16, heads=2, ffn=40, positions=600)
    write_model(root, "long-f16", config, {k: v.to(torch.float16) for k, v in make_weights(4, config).items()})

    # "[UNK]" has the id that these take for padding: it shifts positions.
    config = bert_config(layers=2, hidden=32, heads=2, ffn=64, positions=162, architectures=["RobertaModel"],
                         model_type="roberta", pad_token_id=1, type_vocab_size=1, layer_norm_eps=1e-5)
    write_model(root, "roberta", config, {"roberta." + k: v for k, v in make_weights(6, config).items()})

    config = bert_config(layers=2, hidden=32, heads=2, ffn=64, positions=162, architectures=["MPNetModel"],
                         model_type="mpnet", pad_token_id=1, relative_attention_num_buckets=32, layer_norm_eps=1e-5)
    write_model(root, "mpnet", config, mpnet_weights(7, config))

    config = {"activation": "gelu", "architectures": ["DistilBertModel"], "attention_dropout": 0.0, "dim": 32,
              "dropout": 0.0, "hidden_dim": 64, "max_position_embeddings": 160, "model_type": "distilbert", "n_heads": 2,
              "n_layers": 2, "pad_token_id": 0, "sinusoidal_pos_embds": False, "vocab_size": len(VOCAB)}
    write_model(root, "distilbert", config, distilbert_weights(8, config))

    config = bert_config(layers=1, hidden=32, heads=2, ffn=40, positions=130, architectures=["XLMRobertaModel"],
                         model_type="roberta", pad_token_id=1, type_vocab_size=1, vocab_size=BPE_SIZE)
    write_model(root, "roberta-bytes", config,
                {k: v.to(torch.float16) for k, v in make_weights(9, config).items()})

    # Names as converted from TensorFlow, inside a model for pre-training; no type embedding; mixed types.
    config = bert_config(layers=2, hidden=32, heads=1, ffn=48, positions=40, architectures=["BertForPreTraining"])
    without_types = {**config, "type_vocab_size": 0}
    legacy = {}
    for key, value in make_weights(5, config).items():
        if "token_type" in key:
            continue
        key = key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        legacy["bert." + key] = value.to(torch.float16) if value.dim() == 2 else value
    legacy["bert.pooler.dense.weight"] = torch.zeros(32, 32, dtype=torch.float16)
    legacy["bert.pooler.dense.bias"] = torch.zeros(32)
    legacy["bert.embeddings.position_ids"] = torch.arange(40).reshape(1, 40)
    legacy["cls.predictions.bias"] = torch.zeros(len(VOCAB))
    write_model(root, "legacy", without_types, legacy)


BPE_SIZE = 400
S_NAMES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def byte_bpe(special=S_NAMES, **more):
    """tokenizer.json of a byte-level BPE: words of WORDS, merged from the left, with and without a space before them."""
    vocab = {t: i for i, t in enumerate(special)}
    for c in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocab.setdefault(c, len(vocab))
    merges = []
    for word in ["\u0120" + w for w in WORDS] + WORDS:
        left = word[0]
        for c in word[1:]:
            if left + c not in vocab and len(vocab) < BPE_SIZE:
                vocab[left + c] = len(vocab)
                merges.append([left, c])
            left += c
            if left not in vocab:
                break
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [token(t, i) for i, t in enumerate(special)], "normalizer": {"type": "Lowercase"},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
            "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0], "trim_offsets": True,
                               "add_prefix_space": False},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": "",
                      "end_of_word_suffix": "", "fuse_unk": True, "byte_fallback": False, "vocab": vocab,
                      "merges": merges}, **more}


def unigram(**more):
    """tokenizer.json of a Unigram: letters, WORDS with and without a space before them, and halves of them."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581"] + list("abcdefghijklmnopqrstuvwxyz0123456789.,")
    pieces += ["\u2581" + w for w in WORDS] + WORDS + [w[:len(w) // 2] for w in WORDS if len(w) > 3]
    pieces = list(dict.fromkeys(pieces))[:BPE_SIZE - 1] + ["<mask>"]
    vocab = [[p, 0.0 if i < 4 or p == "<mask>" else -2.0 - 3.0 / len(p) - i / 64] for i, p in enumerate(pieces)]
    special = S_NAMES[:4] + ["<mask>"]
    return {"version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [token(t, pieces.index(t), lstrip=t == "<mask>") for t in special], "normalizer": None,
            "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
            "post_processor": {"type": "TemplateProcessing", "single": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}}], "pair": [
                {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
                "special_tokens": {t: {"id": t, "ids": [i], "tokens": [t]} for t, i in (("<s>", 0), ("</s>", 2))}},
            "decoder": None, "model": {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": False}, **more}


XLM = {"model_type": "xlm-roberta", "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": BPE_SIZE}


def overlay_config(**more):
    return {"config.json": bert_config(2, 32, 2, 64, 160, **more)}


def overlay_pooling(mode, normalize, **more):
    return {"1_Pooling/config.json": pooling_config(32, mode, **more), "modules.json": modules_config(normalize)}


def overlay_pooling_only(mode):
    return {"1_Pooling/config.json": pooling_config(32, mode)}


PROMPTS = {"query": "find: ", "passage": "the text, ", "none": ""}
DEFAULT_PROMPT = {"config_sentence_transformers.json": {"prompts": PROMPTS, "default_prompt_name": "query"}}
WITH_PROMPTS = {"config_sentence_transformers.json": {"__version__": {"sentence_transformers": "3.0.0"},
                                                      "prompts": PROMPTS, "default_prompt_name": None}}
PROMPT_CASES = [None, "passage", "query", ""]

# ---- folders whose tokenizer is not what tokenizer.json alone says ----

DISTINCT = ["##_" if VOCAB.index(t) == i != len(VOCAB) - 1 - VOCAB[::-1].index(t) else t for i, t in enumerate(VOCAB)]
FEWER = DISTINCT[:-2]
TEXTS_WITH_TOKENS = ["the [ENT] river", "A [MASK] of[SEP]stone [PAD]", "rivers and RIVER river", "[ENT][ent] ☃ by the ☃☃",
                     "water  [MASK]  house", "Café, ÉTÉ; naïve (2024)", "", "green paper is all over this window in time",
                     "中文 Silver Engine", "[CLS] one [UNK] two [unused]"]
SETTINGS = {key: value for key, value in TOKENIZER_CONFIG.items() if key != "model_max_length"}


def token(content, i=None, **flags):
    made = {"content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": True, **flags}
    return made if i is None else {"id": i, **made}


def marked(content, **flags):
    """As tokenizer_config.json has tokens that are objects."""
    return {**token(content, **flags), "__type": "AddedToken"}


def tokenizer_json(vocab=DISTINCT, added=("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), lowercase=True, types=(0, 0, 0),
                   special=True, **more):
    pieces = [{"SpecialToken": {"id": "[CLS]", "type_id": types[0]}}, {"Sequence": {"id": "A", "type_id": types[1]}},
              {"SpecialToken": {"id": "[SEP]", "type_id": types[2]}}]
    pair = pieces + [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "[SEP]", "type_id": 1}}]
    ids = {t: i for i, t in enumerate(vocab)}
    template = {"type": "TemplateProcessing", "single": pieces, "pair": pair,
                "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [token(t, ids[t]) for t in added],
            "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                           "strip_accents": None, "lowercase": lowercase},
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": template if special else None,
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                      "max_input_chars_per_word": 100, "vocab": ids}, **more}


def folder(tokenizer=None, settings=None, **files):
    """An overlay: tokenizer.json, tokenizer_config.json, and NAME=… for NAME.json."""
    overlay = {"tokenizer_config.json": {**SETTINGS, **(settings or {})}}
    if tokenizer:
        overlay["tokenizer.json"] = tokenizer
    overlay.update({name + ".json": content for name, content in files.items()})
    return overlay


def variant(overlay, removed=(), prompts=(None,), texts=TEXTS_WITH_TOKENS):
    return ("base", overlay, list(removed), list(prompts), [], texts)


GENERIC = {"tokenizer_class": "PreTrainedTokenizerFast"}
FOLDERS = {
    "added-tokens-file": variant(
        {"vocab.txt": "\n".join(FEWER) + "\n",
         **folder(added_tokens={"[ENT]": len(FEWER), "☃": len(FEWER) + 1},
                  special_tokens_map={"additional_special_tokens": ["[ENT]"], "mask_token": token("[MASK]", lstrip=True)})},
        ["tokenizer.json"]),
    "added-tokens-decoder": variant(folder(
        tokenizer_json(FEWER), {"added_tokens_decoder": {
            "4": token("[MASK]", lstrip=True), str(VOCAB.index("river")): token("river", special=False, single_word=True),
            str(VOCAB.index("stone")): token("stone", special=False), str(len(FEWER)): token("[ENT]")}})),
    "no-added-section": variant(folder(tokenizer_json(added=()), {"additional_special_tokens": ["river"]})),
    "special-map": variant(folder(
        tokenizer_json(FEWER, added=()), special_tokens_map={"mask_token": token("[MASK]", lstrip=True, normalized=True),
                                                      "additional_special_tokens": ["er"]})),
    "split-named": variant(folder(
        tokenizer_json(), {"split_special_tokens": True, "cls_token": marked("[CLS]", lstrip=True, special=False),
                           "added_tokens_decoder": {"2": token("[CLS]", special=False), "3": token("[SEP]", special=False)}})),
    "split-generic": variant(folder(tokenizer_json(), {
        **GENERIC, "split_special_tokens": True, "added_tokens_decoder": {
            "1": token("[UNK]", special=False), "4": {"content": "[MASK]", "special": False}}})),
    "default-normalized": variant(folder(
        tokenizer_json(FEWER, added=()), {"mask_token": {"content": "[MASK]", "__type": "AddedToken"},
                                          "eos_token": marked("RIVER", normalized=True)}), texts=TEXTS_WITH_TOKENS + ["the [mask] river"]),
    "lists-of-both-names": variant(folder(tokenizer_json(FEWER), {
        "additional_special_tokens": ["river"], "extra_special_tokens": {"x": "er"}, "y_token": {"content": "ing"},
        "z_token": marked("paper"), "add_bos_token": "stone"})),
    "map-of-names": variant(folder(tokenizer_json(FEWER), special_tokens_map={
        "extra_special_tokens": {"x_token": "river"}, "additional_special_tokens": ["er"]})),
    "text-and-object": variant(folder(tokenizer_json(added=()), {
        "eos_token": "[MASK]", "mask_token": marked("[MASK]", lstrip=True), "extra_special_tokens": [marked("river", special=False)],
        "bos_token": "river"})),
    "plain-class": variant(folder(tokenizer_json(lowercase=False), {"tokenizer_class": "PreTrainedTokenizer"})),
    "own-token-names": variant(folder(tokenizer_json(FEWER), {"entity_token": "river", "extra_special_tokens": {"x": "ing"}})),
    "generic-class": variant(folder(
        tokenizer_json(FEWER, lowercase=False, types=(1, 1, 0)),
        {**GENERIC, "additional_special_tokens": ["er"], "model_input_names": ["input_ids", "token_type_ids"]})),
    "generic-no-types": variant(folder(tokenizer_json(added=(), types=(1, 1, 0)), GENERIC)),
    "rebuilt-types": variant(folder(tokenizer_json(types=(1, 1, 0)))),
    "rebuilt-no-template": variant(folder(tokenizer_json(special=False))),
    "class-in-config": variant({**folder(tokenizer_json(lowercase=False), {"tokenizer_class": None}),
                                **overlay_config(tokenizer_class="PreTrainedTokenizerFast")}),
    "other-class-name": variant(folder(tokenizer_json(lowercase=False), {"tokenizer_class": "DistilBertTokenizerFast"})),
    "settings-missing": variant({**folder(tokenizer_json(lowercase=False)), "tokenizer_config.json": {}}),
    "split-special": variant(folder(tokenizer_json(), {"split_special_tokens": True})),
    "tokenizer-args": variant(folder(
        tokenizer_json(), sentence_bert_config={"max_seq_length": 24, "tokenizer_args": {
            "do_lower_case": False, "truncation_side": "left", "model_max_length": 5}})),
    "side-of-json": variant(folder(
        tokenizer_json(truncation={"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0}),
        {"model_max_length": 7})),
    "max-len-of-args": variant(folder(
        tokenizer_json(), {"max_len": 9}, sentence_bert_config={"tokenizer_args": {"max_len": 6}})),
    "length-of-json": variant(folder(
        tokenizer_json(truncation={"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 0}))),
    "processing-common": variant(folder(tokenizer_json(), sentence_bert_config={"processing_kwargs": {
        "common": {"max_length": 5, "return_tensors": "pt"}, "text": {"max_length": 8, "truncation": "longest_first"}}})),
    "max-len": variant(folder(tokenizer_json(), {"max_len": 6})),
    "vocab-lowercase-first": variant(
        {"vocab.txt": "\n".join(DISTINCT) + "\n",
         **folder(settings={"do_lower_case": False}, sentence_bert_config={"do_lower_case": True})}, ["tokenizer.json"]),
    "truncate-dim": variant({"config_sentence_transformers.json": {"truncate_dim": 12, "similarity_fn_name": "cosine"}}),
    "prompt-no-closing": variant({
        **folder(tokenizer_json(special=False), GENERIC), **overlay_pooling("mean", False, include_prompt=False),
        "config_sentence_transformers.json": {"prompts": {"a": "find: ", "b": "find ☃"}}}, prompts=(None, "a", "b", "query"),
        texts=[text for text in TEXTS_WITH_TOKENS if text]),
    "path-dot": variant({"modules.json": [{**m, "path": m["path"] or "."} for m in modules_config()]}),
    "path-dot-slash": variant({"modules.json": [{**m, "path": "./" + m["path"]} for m in modules_config()]}),
    "other-architecture": variant(overlay_config(architectures=["Contriever"])),
}

# name: (model, files laid over it, files removed, prompt names, texts whose hidden states are kept[, its own texts])
VARIANTS = {
    "base": ("base", {}, [], [None], [0, 3, 8, 12]),
    "sharded-f16": ("sharded-f16", {}, [], [None], [1, 9]),
    "wide-bf16": ("wide-bf16", {}, [], [None], [2, 9]),
    "long-f16": ("long-f16", {}, [], [None], [13, 16]),
    "legacy": ("legacy", {}, [], [None], [4]),
    "gelu-new": ("base", overlay_config(hidden_act="gelu_new"), [], [None], [5]),
    "relu": ("base", overlay_config(hidden_act="relu"), [], [None], [5]),
    "silu": ("base", overlay_config(hidden_act="silu"), [], [None], [5]),
    "eps": ("base", overlay_config(layer_norm_eps=0.05), [], [None], [5]),
    "plain-folder": ("base", {"sentence_bert_config.json": {"max_seq_length": 8}},
                     ["modules.json", "1_Pooling/config.json"], [None], []),
    "cls": ("base", overlay_pooling("cls", False), [], [None], []),
    "cls-normalized": ("base", overlay_pooling("cls", True), [], [None], []),
    "mean": ("base", overlay_pooling("mean", False), [], [None], []),
    "max": ("base", overlay_pooling("max", False), [], [None], []),
    "mean-sqrt": ("base", overlay_pooling("mean_sqrt", False), [], [None], []),
    "weighted-mean": ("base", overlay_pooling("weightedmean", False), [], [None], []),
    "last-token": ("base", overlay_pooling("lasttoken", False), [], [None], []),
    "new-pooling-config": ("base", {
        "1_Pooling/config.json": {"embedding_dimension": 32, "pooling_mode": "lasttoken", "include_prompt": True},
        "2_Normalize/config.json": {"module_input_name": "sentence_embedding",
                                    "module_output_name": "sentence_embedding"},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling",
             "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize",
             "type": "sentence_transformers.base.modules.normalize.Normalize"}],
        "sentence_bert_config.json": {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            "module_output_name": "token_embeddings"},
        "tokenizer_config.json": {**TOKENIZER_CONFIG, "model_max_length": 20},
    }, [], [None], []),
    "processing-length": ("base", {"sentence_bert_config.json": {
        "max_seq_length": 100, "processing_kwargs": {"text": {"max_length": 12}}}}, [], [None], []),
    "max-length": ("base", {"sentence_bert_config.json": {"max_seq_length": 24, "do_lower_case": False}}, [],
                   [None], [6]),
    "truncate-left": ("base", {"sentence_bert_config.json": {"max_seq_length": 24},
                               "tokenizer_config.json": {**TOKENIZER_CONFIG, "truncation_side": "left"}}, [],
                      [None], [6]),
    "prompts": ("base", WITH_PROMPTS, [], PROMPT_CASES, []),
    "default-prompt": ("base", {**DEFAULT_PROMPT, **overlay_pooling("mean", True, include_prompt=False)}, [],
                       PROMPT_CASES, []),
    "prompt-excluded-cls": ("base", {**WITH_PROMPTS, **overlay_pooling("cls", False, include_prompt=False)}, [],
                            PROMPT_CASES, []),
    "prompt-excluded-max": ("base", {**WITH_PROMPTS, **overlay_pooling("max", False, include_prompt=False)}, [],
                            PROMPT_CASES, []),
    "prompt-excluded-weighted": ("base", {**WITH_PROMPTS,
                                          **overlay_pooling("weightedmean", False, include_prompt=False)}, [],
                                 PROMPT_CASES, []),
    "vocab-only": ("base", {"vocab.txt": "\n".join(VOCAB) + "\n"}, ["tokenizer.json"], [None], []),
    "vocab-cased": ("base", {"vocab.txt": "\n".join(VOCAB) + "\n",
                             "tokenizer_config.json": {**TOKENIZER_CONFIG, "do_lower_case": False}},
                    ["tokenizer.json"], [None], []),
    "config-cased": ("base", {"tokenizer_config.json": {**TOKENIZER_CONFIG, "do_lower_case": False}}, [], [None], []),
    "config-accents": ("base", {"tokenizer_config.json": {**TOKENIZER_CONFIG, "strip_accents": False}}, [], [None],
                       []),
    "lowercase-first": ("base", {"tokenizer_config.json": {**TOKENIZER_CONFIG, "do_lower_case": False},
                                 "sentence_bert_config.json": {"max_seq_length": 64, "do_lower_case": True}}, [],
                        [None], []),
    "transformer-folder": ("base", {
        "modules.json": [{**m, "path": "0_Transformer"} if m["idx"] == 0 else m for m in modules_config()]},
        [], [None], []),
    **FOLDERS,
}
# Longer texts are an error of the reference where the tokenizer does not say so: it counts positions from 0.
GENERIC_FOLDER = {"tokenizer_config.json": {**SETTINGS, **GENERIC, "model_max_length": 150}}
VARIANTS.update({
    "roberta": ("roberta", GENERIC_FOLDER, [], [None], [4, 10, 19, 22]),
    "roberta-pad-7": ("roberta", {**GENERIC_FOLDER, "config.json": {
        **bert_config(2, 32, 2, 64, 162, model_type="roberta"), "pad_token_id": 7, "type_vocab_size": 1}}, [], [None], [6]),
    "xlm-roberta": ("roberta", {**GENERIC_FOLDER, "config.json": {
        **bert_config(2, 32, 2, 64, 162, model_type="xlm-roberta"), "pad_token_id": 1, "type_vocab_size": 1}}, [], [None], []),
    "camembert": ("roberta", {**GENERIC_FOLDER, "config.json": {
        **bert_config(2, 32, 2, 64, 162, model_type="camembert"), "pad_token_id": 1, "type_vocab_size": 1}}, [], [None], []),
    "mpnet": ("mpnet", GENERIC_FOLDER, [], [None], [4, 10, 14, 22]),
    "mpnet-pad-0": ("mpnet", {**GENERIC_FOLDER, "config.json": {
        **bert_config(2, 32, 2, 64, 162, model_type="mpnet"), "layer_norm_eps": 1e-12}}, [], [None], [6]),
    "distilbert": ("distilbert", {"tokenizer_config.json": {**TOKENIZER_CONFIG, "tokenizer_class": "DistilBertTokenizer"}},
                   [], [None], [4, 10]),
    "distilbert-relu": ("distilbert", {"config.json": {
        "activation": "relu", "dim": 32, "hidden_dim": 64, "max_position_embeddings": 160, "model_type": "distilbert",
        "n_heads": 2, "n_layers": 2, "vocab_size": len(VOCAB)}}, [], [None], []),
})
# ---- classes that the reference builds anew ----

S_VOCAB = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"] + DISTINCT[5:]
S_TEXTS = ["the <mask> river", "A  <mask>of</s>stone <pad>", "rivers and RIVER", "☃ by the <unk>☃☃", "Café, ÉTÉ; naïve (2024)",
           "", " the  river\n", "中文 Silver Engine", "<s> one [UNK] two don't 12", "green paper is all over this window in time"]


def s_folder(tokenizer=None, settings=None, **files):
    return folder(tokenizer, {"model_max_length": 100, "unk_token": None, "mask_token": None, "pad_token": None,
                              "sep_token": None, "cls_token": None, **(settings or {})}, **files)


def without_none(overlay):
    settings = overlay["tokenizer_config.json"]
    overlay["tokenizer_config.json"] = {k: v for k, v in settings.items() if v is not None or k == "strip_accents"}
    return overlay


def s_variant(model, overlay, removed=()):
    return (model, without_none(overlay), list(removed), [None], [], S_TEXTS)


MPNET_JSON = {**tokenizer_json(DISTINCT), "post_processor": None, "added_tokens": []}
MPNET_JSON["model"] = {**MPNET_JSON["model"], "vocab": {t: i for i, t in enumerate(S_VOCAB)}}
MPNET_ADDED = {**MPNET_JSON, "added_tokens": [token(t, i, lstrip=t == "<mask>") for i, t in enumerate(S_VOCAB[:5])]}
VARIANTS.update({
    "mpnet-class": s_variant("mpnet", s_folder(MPNET_JSON, {"tokenizer_class": "MPNetTokenizer"})),
    "mpnet-added": s_variant("mpnet", s_folder(MPNET_ADDED, {
        "tokenizer_class": "MPNetTokenizerFast", "do_lower_case": False, "mask_token": "<mask>", "unk_token": "[UNK]"})),
    "mpnet-vocab": s_variant("mpnet", {"vocab.txt": "\n".join(S_VOCAB) + "\n", **s_folder(None, {
        "tokenizer_class": "MPNetTokenizer", "cls_token": "</s>", "strip_accents": False})}, ["tokenizer.json"]),
    "mpnet-mask-case": ("mpnet", without_none(s_folder(MPNET_JSON, {"tokenizer_class": "MPNetTokenizer"})), [], [None], [],
                        ["<MASK>", "a <MASK> b", "the <Mask>river <mask>", "</S> one"]),
    "distilbert-aliases": ("distilbert", {"config.json": {
        "activation": "gelu", "hidden_size": 32, "hidden_dim": 64, "max_position_embeddings": 160, "model_type": "distilbert",
        "num_attention_heads": 2, "num_hidden_layers": 2, "vocab_size": len(VOCAB)}}, [], [None], [],
        ["the river", "stone light"]),
    "mpnet-no-class": s_variant("mpnet", s_folder(MPNET_ADDED, {"tokenizer_class": None})),
    "mpnet-typed": s_variant("mpnet", s_folder(MPNET_ADDED, {
        "tokenizer_class": "MPNetTokenizer", "added_tokens_decoder": {
            str(i): token(t, lstrip=t == "<mask>", normalized=t == "[UNK]") for i, t in enumerate(S_VOCAB[:5])}})),
    "roberta-class": s_variant("roberta-bytes", s_folder(byte_bpe(), {"tokenizer_class": "RobertaTokenizer"})),
    "roberta-prefix-space": s_variant("roberta-bytes", s_folder(byte_bpe(added_tokens=[]), {
        "tokenizer_class": "RobertaTokenizerFast", "add_prefix_space": True, "trim_offsets": False,
        "mask_token": marked("<mask>", lstrip=True)})),
    "roberta-no-class": s_variant("roberta-bytes", s_folder(byte_bpe(), {"tokenizer_class": None, "cls_token": "</s>"})),
    "xlm-class": s_variant("roberta-bytes", {**s_folder(unigram(), {"tokenizer_class": "XLMRobertaTokenizer"}),
                                             "config.json": bert_config(1, 32, 2, 40, 130, **XLM)}),
    "xlm-no-class": s_variant("roberta-bytes", {
        **s_folder(unigram(added_tokens=[]), {"tokenizer_class": None, "add_prefix_space": False, "eos_token": "<s>",
                                              "mask_token": marked("<mask>", lstrip=True)}),
        "config.json": bert_config(1, 32, 2, 40, 130, **XLM)}),
    "xlm-generic": s_variant("roberta-bytes", {
        **s_folder(unigram(), {**GENERIC, "pad_token": "<pad>"}), "config.json": bert_config(1, 32, 2, 40, 130, **XLM)}),
    "roberta-generic": s_variant("roberta-bytes", s_folder(byte_bpe(), {**GENERIC, "pad_token": "<pad>"})),
})


def dense(place, size_in, size_out, activation, bias=True, seed=0, dtype=torch.float32, **more):
    """The overlay of a Dense module."""
    random = np.random.RandomState(900 + seed)
    weights = {"linear.weight": random.standard_normal((size_out, size_in)) * 2 / np.sqrt(size_in)}
    if bias:
        weights["linear.bias"] = random.standard_normal(size_out) * 0.3
    config = {"in_features": size_in, "out_features": size_out, "bias": bias, **more}
    if activation:
        config["activation_function"] = "torch.nn.modules." + activation
    data = save({k: torch.from_numpy(v.astype(np.float32)).to(dtype) for k, v in weights.items()}, {"format": "pt"})
    return {f"{place}_Dense/config.json": config, f"{place}_Dense/model.safetensors": data}


def dense_modules(*names):
    chain = ["Transformer", "Pooling", *names]
    paths = ["", "1_Pooling"] + [f"{i + 2}_{name}" for i, name in enumerate(names)]
    return {"modules.json": [{"idx": i, "name": str(i), "path": paths[i], "type": "sentence_transformers.models." + name}
                             for i, name in enumerate(chain)]}


VARIANTS.update({
    "dense": ("base", {**dense_modules("Dense"), **dense(2, 32, 24, "activation.Tanh")}, [], [None], [5]),
    "dense-default": ("base", {**dense_modules("Dense", "Normalize"), **dense(2, 32, 40, None, bias=False, seed=1),
                               **overlay_pooling_only("cls")}, [], [None], []),
    "dense-two": ("distilbert", {**dense_modules("Dense", "Dense", "Normalize"),
                                 **dense(2, 32, 100, "linear.Identity", bias=False, seed=2, dtype=torch.bfloat16),
                                 **dense(3, 100, 20, "activation.GELU", seed=3, dtype=torch.float16),
                                 "config_sentence_transformers.json": {"truncate_dim": 12}}, [], [None], []),
    "dense-relu": ("base", {"modules.json": [
        {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers." + kind} for i, (path, kind) in enumerate([
            ("", "base.modules.transformer.Transformer"), ("1_Pooling", "sentence_transformer.modules.pooling.Pooling"),
            ("2_Dense", "base.modules.dense.Dense")])],
        **dense(2, 32, 16, "activation.ReLU", seed=4, module_input_name="sentence_embedding", module_output_name=None)},
        [], [None], []),
})
MOVED = {"transformer-folder": ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]}


def lay_over(overlay, folder):
    for path, content in overlay.items():
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if isinstance(content, (str, bytes)):
            with open(target, "wb") as out:
                out.write(content.encode() if isinstance(content, str) else content)
        else:
            write_json(target, content)


def assemble(root, name, folder):
    """The variant's model folder, as tests/model/model_folder.c assembles it."""
    model, overlay, removed = VARIANTS[name][:3]
    shutil.copytree(os.path.join(root, "models", model), folder)
    lay_over(overlay, folder)
    for path in removed:
        os.remove(os.path.join(folder, path))
    for path in MOVED.get(name, []):
        os.makedirs(os.path.join(folder, "0_Transformer"), exist_ok=True)
        os.rename(os.path.join(folder, path), os.path.join(folder, "0_Transformer", path))


def add_zero_types(folder):
    """The reference can't do without a type embedding: zeros are what "no types" means."""
    from safetensors.torch import load_file
    path = os.path.join(folder, "model.safetensors")
    weights = load_file(path)
    weights["bert.embeddings.token_type_embeddings.weight"] = torch.zeros(2, 32)
    save_file(weights, path, {"format": "pt"})
    with open(os.path.join(folder, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    write_json(os.path.join(folder, "config.json"), {**config, "type_vocab_size": 2})


def encode(model, texts, prompt_name):
    """One text at a time: no padding takes part."""
    arguments = {"convert_to_numpy": True, "show_progress_bar": False, "batch_size": 1}
    if prompt_name == "":
        arguments["prompt"] = ""
    elif prompt_name is not None:
        arguments["prompt_name"] = prompt_name
    vectors = np.stack([model.encode([text], **arguments)[0] for text in texts])
    prompt = arguments.get("prompt")
    if prompt is None:
        prompt = model.prompts.get(prompt_name or model.default_prompt_name or "", "")
    features = [model.preprocess([prompt + text]) for text in texts]
    typed = any("token_type_ids" in f and f["token_type_ids"].any() for f in features)
    return vectors, [f["input_ids"][0].tolist() for f in features], typed


def run_variant(root, name, texts):
    model_name, overlay, removed, prompts, states = VARIANTS[name][:5]
    own_texts = VARIANTS[name][5] if len(VARIANTS[name]) > 5 else None
    texts = own_texts or texts
    target = os.path.join(root, "variants", name)
    os.makedirs(target)
    lay_over(overlay, target)
    with tempfile.TemporaryDirectory() as scratch:
        folder = os.path.join(scratch, "model")
        assemble(root, name, folder)
        if model_name == "legacy":
            add_zero_types(folder)
        load = lambda dtype: SentenceTransformer(folder, device="cpu", model_kwargs={"dtype": dtype})
        model, exact = load(torch.float32), load(torch.float64)
        floats, cases, noise, hidden = [], [], 0.0, None
        for prompt_name in prompts:
            vectors, ids, typed = encode(model, texts, prompt_name)
            assert vectors.dtype == np.float32 and np.isfinite(vectors).all()
            difference = np.abs(vectors - encode(exact, texts, prompt_name)[0])
            noise = max(noise, (difference / np.linalg.norm(vectors, axis=1, keepdims=True)).max())
            floats.append(vectors.ravel())
            cases.append({"prompt_name": prompt_name, "token_ids": ids})
        for i in states:
            state = model.encode([texts[i]], output_value="token_embeddings", prompt="")[0].numpy()
            assert state.shape[0] == len(cases[0]["token_ids"][i])
            hidden = state.shape[1]
            floats.append(state.ravel())
    with open(os.path.join(target, "expected.f32"), "wb") as out:
        out.write(np.concatenate(floats).astype("<f4").tobytes())
    expected = {"model": model_name, "remove": removed, "move_to": "0_Transformer", "move": MOVED.get(name, []),
                "dim": int(vectors.shape[1]), "cases": cases, "states": states}
    if typed:
        expected["typed"] = True
    if hidden and hidden != vectors.shape[1]:
        expected["hidden"] = hidden
    if own_texts:
        expected["texts"] = own_texts
    with open(os.path.join(target, "expected.json"), "w", encoding="utf-8") as out:
        json.dump(expected, out, separators=(",", ":"))
        out.write("\n")
    print(f"{name:26s} rounding of the reference {noise:.1e}")
    assert noise < TOLERANCE / 2, "too ill-conditioned to test anything"


def make(root):
    os.makedirs(root)
    texts = make_texts()
    write_json(os.path.join(root, "texts.json"), texts)
    write_models(root)
    for name in VARIANTS:
        run_variant(root, name, texts)
    with open(os.path.join(root, "VERSIONS"), "w", encoding="utf-8") as out:
        out.write(f"torch {torch.__version__}\ntransformers {transformers.__version__}\n"
                  f"sentence-transformers {sentence_transformers.__version__}\n")


def compare(made, committed):
    differences = []
    for folder, _, files in os.walk(made):
        for file in files:
            path = os.path.relpath(os.path.join(folder, file), made)
            other = os.path.join(committed, path)
            if not os.path.exists(other):
                differences.append(path)
            elif file.endswith(".f32"):
                a, b = np.fromfile(os.path.join(made, path), "<f4"), np.fromfile(other, "<f4")
                if a.shape != b.shape or np.abs(a - b).max() > 1e-5:
                    differences.append(path)
            elif file != "VERSIONS" and not filecmp.cmp(os.path.join(made, path), other, shallow=False):
                differences.append(path)
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed goldens instead")
    parser.add_argument("--add", action="store_true", help="make the missing variants only")
    arguments = parser.parse_args()
    check = arguments.check
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    if arguments.add:
        write_models(GOLDEN)
        for name in VARIANTS:
            if not os.path.isdir(os.path.join(GOLDEN, "variants", name)):
                run_variant(GOLDEN, name, make_texts())
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        made = os.path.join(scratch, "golden")
        make(made)
        if check:
            differences = compare(made, GOLDEN)
            print("\n".join("differs: " + path for path in differences) or "all as committed")
            return 1 if differences else 0
        shutil.rmtree(GOLDEN, ignore_errors=True)
        shutil.copytree(made, GOLDEN)
    return 0


if __name__ == "__main__":
    sys.exit(main())
