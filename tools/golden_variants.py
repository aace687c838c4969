"""The variants of tests/data/golden: files laid over a copy of a model (make_goldens.py)."""
import json

import numpy as np
import torch
from safetensors.torch import save
from tokenizers import pre_tokenizers

from golden_models import BPE_SIZE, TOKENIZER_CONFIG, VOCAB, WORDS, bert_config, modules_config, pooling_config

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


def space_bpe(**more):
    """tokenizer.json of a BPE of characters, spaces written as U+2581, some bytes to fall back on."""
    made = byte_bpe(S_NAMES + [f"<0x{b:02X}>" for b in range(0x80, 0xF0) if b != 0x98])
    model = {key: made["model"][key] for key in ("vocab", "merges")}
    text = json.dumps(model).replace("\\u0120", "\\u2581")
    return {**made, "pre_tokenizer": None, "post_processor": None, "decoder": None,
            "added_tokens": [token(t, i) for i, t in enumerate(S_NAMES)],
            "model": {**made["model"], **json.loads(text), "unk_token": None}, **more}


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


def sentencepiece_model(made, model_type=None):
    """The file that SentencePiece would write for the pieces of unigram(): "<unk>", "<s>", "</s>", then all but special ones."""
    def number(n):
        return bytes([n & 127 | 128]) + number(n >> 7) if n > 127 else bytes([n])

    def field(key, data):
        return number(key << 3 | 2) + number(len(data)) + data
    pieces = [["<unk>", 0.0, 2], ["<s>", 0.0, 3], ["</s>", 0.0, 3], ["river", 0.0, 4]]
    pieces += [[piece, score, 1] for piece, score in made["model"]["vocab"][4:-1] if piece != "river"]
    trainer = field(2, b"\x18" + number(model_type)) if model_type else b""
    return trainer + b"".join(field(1, field(1, piece.encode()) + b"\x15" + np.float32(score).tobytes() + b"\x18" + number(kind))
                              for piece, score, kind in pieces)


def camembert(fifth, **more):
    """The same with CamemBERT's first pieces, of which `fifth` is the fifth."""
    made = unigram(added_tokens=[], post_processor=None)
    pieces = ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", fifth, "<s>", "</s>"]
    vocab = made["model"]["vocab"]
    vocab = [[p, 0.0] for p in pieces] + vocab[4:-4] + vocab[-1:]
    return {**made, "model": {**made["model"], "unk_id": 0, "vocab": vocab}, **more}


XLM = {"model_type": "xlm-roberta", "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": BPE_SIZE}
CAMEMBERT = {**XLM, "model_type": "camembert"}


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
    "modernbert": ("modernbert", {}, [], [None], [3, 12, 16]),
    "modernbert-cls": ("modernbert", overlay_pooling("cls", False), [], [None], []),
    "modernbert-every-second": ("modernbert", {"config.json": bert_config(
        4, 32, 2, 48, 900, model_type="modernbert", hidden_activation="gelu_new", norm_eps=1e-5, local_attention=7,
        global_attn_every_n_layers=2, global_rope_theta=5000.0, local_rope_theta=300.0)}, [], [None], [12]),
    "modernbert-biases": ("modernbert-biases", {}, [], [None], [14, 16]),
    "nomic": ("nomic", {}, [], [None], [9, 16]),
    "nomic-published": ("nomic-published", {}, [], [None], [9, 16]),
    "gte": ("gte", overlay_pooling("cls", True), [], [None], [9, 16]),
    "gte-published": ("gte-published", {}, [], [None], [9, 16]),
    "jina": ("jina", {}, [], [None], [9, 14]),
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
    "camembert-class": s_variant("roberta-bytes", {
        **s_folder(camembert("<unk>NOTUSED"), {"tokenizer_class": "CamembertTokenizer", "additional_special_tokens": [
            "<s>NOTUSED", "</s>NOTUSED"]}), "config.json": bert_config(1, 32, 2, 40, 130, **CAMEMBERT)}),
    "camembert-no-class": s_variant("roberta-bytes", {
        **s_folder(camembert("<unk>"), {"tokenizer_class": None, "add_prefix_space": False}),
        "config.json": bert_config(1, 32, 2, 40, 130, **CAMEMBERT)}),
    "roberta-generic": s_variant("roberta-bytes", s_folder(byte_bpe(), {**GENERIC, "pad_token": "<pad>"})),
    "gpt2-class": s_variant("roberta-bytes", s_folder(byte_bpe(added_tokens=[]), {
        "tokenizer_class": "GPT2TokenizerFast", "add_prefix_space": True, "pad_token": "<pad>", "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>"})),
    "qwen2-class": s_variant("roberta-bytes", s_folder(byte_bpe(), {
        "tokenizer_class": "Qwen2Tokenizer", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>",
        "mask_token": marked("<mask>", lstrip=True)})),
    "llama-class": s_variant("roberta-bytes", s_folder(space_bpe(), {
        "tokenizer_class": "LlamaTokenizerFast", "pad_token": "<pad>", "add_bos_token": True})),
    "llama-legacy": s_variant("roberta-bytes", s_folder(space_bpe(post_processor=byte_bpe()["post_processor"]), {
        "tokenizer_class": "LlamaTokenizer", "pad_token": "<pad>", "legacy": True})),
    "llama-of-bytes": s_variant("roberta-bytes", s_folder(byte_bpe(), {
        "tokenizer_class": "LlamaTokenizer", "pad_token": "<pad>"})),
    "gemma-class": s_variant("roberta-bytes", s_folder(space_bpe(), {
        "tokenizer_class": "GemmaTokenizer", "bos_token": "<s>", "eos_token": "</s>"})),
})
VARIANTS.update({
    "xlm-pieces": s_variant("roberta-bytes", {
        **s_folder(None, {"tokenizer_class": "XLMRobertaTokenizer"}), "config.json": bert_config(1, 32, 2, 40, 130, **XLM),
        "sentencepiece.bpe.model": sentencepiece_model(unigram())}, ["tokenizer.json"]),
    "camembert-pieces": s_variant("roberta-bytes", {
        **s_folder(None, {"tokenizer_class": None, "extra_special_tokens": ["stone"]}),
        "config.json": bert_config(1, 32, 2, 40, 130, **{**CAMEMBERT, "vocab_size": BPE_SIZE}),
        "tokenizer.model": sentencepiece_model(unigram(added_tokens=[]))}, ["tokenizer.json"]),
})
VARIANTS["roberta-named-twice"] = (*s_variant("roberta-bytes", s_folder(byte_bpe(added_tokens=[]), {
    "tokenizer_class": "RobertaTokenizer", "unk_token": marked("<s>", lstrip=True)}))[:5], ["the <s> river", "<s> one"])
for name, more, kind in (("llama", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": True}, 2),
                         ("gemma", {"tokenizer_class": "GemmaTokenizer", "add_eos_token": True, "eos_token": "</s>",
                                    "bos_token": "<s>", "mask_token": "river", "pad_token": "<unk>"}, 1),
                         ("generic", {**GENERIC, "add_bos_token": True, "added_tokens_decoder": {"7": token("<new>")}}, 2),
                         ("generic-unigram", {**GENERIC, "add_eos_token": True, "legacy": False}, None)):
    VARIANTS[f"{name}-pieces"] = s_variant("roberta-bytes", {
        **s_folder(None, {"pad_token": "<s>", **more}), "config.json": bert_config(1, 32, 2, 40, 130, **XLM),
        "tokenizer.model": sentencepiece_model(unigram(), kind)}, ["tokenizer.json"])
for name in ("llama-class", "gemma-class"):  # without a template: the reference fails on no tokens
    VARIANTS[name] = (*VARIANTS[name][:5], [text for text in S_TEXTS if text])
VARIANTS["modernbert-other-class"] = ("modernbert", {"tokenizer_config.json": {
    **SETTINGS, "tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 150}}, [], [None], [],
    ["The RIVER", "Stone light"])


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


def layer_norm(place, size, scale, seed):
    """The overlay of a LayerNorm module."""
    random = np.random.RandomState(950 + seed)
    weights = {"norm.weight": (1 + 0.3 * random.standard_normal(size)) * scale, "norm.bias": 0.3 * scale * random.standard_normal(size)}
    data = save({k: torch.from_numpy(v.astype(np.float32)) for k, v in weights.items()}, {"format": "pt"})
    return {f"{place}_LayerNorm/config.json": {"dimension": size}, f"{place}_LayerNorm/model.safetensors": data}


# One module twice: what reaches the second has a variance near the eps, 1e-5, which is not the model's 1e-12.
VARIANTS["layer-norm"] = ("base", {
    "modules.json": [{"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + name} for i, (path, name)
                     in enumerate([("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_LayerNorm", "LayerNorm")] * 2)],
    **layer_norm(2, 32, 0.003, 0)}, [], [None], [], ["a green garden", "the house is over the river at night", ""])
MOVED = {"transformer-folder": ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]}
