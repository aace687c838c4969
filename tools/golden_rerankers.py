"""The rerankers of tests/data/golden: models for sequence classification, one a family (make_goldens.py).

Each is files laid over a copy of a model: its own weights with a classification head, config.json, and what a CrossEncoder
is told apart by. The head's weights are scaled so that logits are of order one: their sigmoid is far from flat.
"""
import numpy as np
import torch
from safetensors.torch import load, save

from golden_models import (BPE_SIZE, MODERNBERT, VOCAB, WORDS, bert_config, distilbert_weights, gated_weights, make_weights,
                           mpnet_weights)
from golden_variants import MPNET_JSON, SETTINGS, byte_bpe, s_folder, unigram, without_none

MAX_TOKENS = 24
HIDDEN = 32
IDENTITY, SIGMOID = "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"
DISTILBERT = {"activation": "gelu", "dim": HIDDEN, "hidden_dim": 64, "max_position_embeddings": 160,
              "model_type": "distilbert", "n_heads": 2, "n_layers": 2, "pad_token_id": 0, "sinusoidal_pos_embds": False,
              "vocab_size": len(VOCAB)}


def make_pairs():
    """Lengths around what fits, cut on either side, on both, equal ones; empty texts."""
    random = np.random.RandomState(17)
    words = lambda count: " ".join(WORDS[i] for i in random.randint(len(WORDS), size=count))
    lengths = [(2, 3), (5, 9), (3, 60), (60, 3), (40, 40), (30, 41), (41, 30), (10, 10), (10, 11), (11, 10), (10, 12),
               (12, 10), (11, 11), (12, 12), (21, 0), (0, 22), (22, 0), (9, 13)]
    pairs = [[words(a), words(b)] for a, b in lengths]
    return pairs + [["", ""], ["Café, ÉTÉ; naïve (2024)", "中文 stones\twalked\nslowly"], ["qzxjv " * 4, "the [SEP] river"]]


def head_weights(seed, names, scale):
    """name -> weights of linears; the last has one feature."""
    random = np.random.RandomState(seed)
    weights = {}
    for i, name in enumerate(names):
        out = 1 if i + 1 == len(names) else HIDDEN
        factor = scale if out == 1 else 1.2
        weights[name + ".weight"] = random.standard_normal((out, HIDDEN)) * factor / np.sqrt(HIDDEN)
        weights[name + ".bias"] = random.standard_normal(out) * 0.2
    return {k: torch.from_numpy(v.astype(np.float32)) for k, v in weights.items()}


def files(seed, prefix, config, encoder, head, dtype=torch.float16, scale=0.5, **more):
    """An overlay: weights and config.json of a classifier with one label."""
    weights = {prefix + k: v for k, v in encoder.items()} | head_weights(seed, head, scale)
    data = save({k: v.to(dtype).contiguous() for k, v in weights.items()}, {"format": "pt"})
    return {"model.safetensors": data, "config.json": {**config, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}},
            "tokenizer_config.json": {**SETTINGS, "model_max_length": MAX_TOKENS}, **more}


def bert_like(seed, family, architecture, **more):
    config = bert_config(2, HIDDEN, 2, 64, 162, architectures=[architecture], **more)
    head = ["bert.pooler.dense", "classifier"] if family == "bert" else ["classifier.dense", "classifier.out_proj"]
    return config, make_weights(seed, config), head


def modernbert(seed, bias, **more):
    """Encoder and head, whose linear has a bias or not, and whose norm has none."""
    config = bert_config(3, HIDDEN, 2, 48, 162, architectures=["ModernBertForSequenceClassification"], model_type="modernbert",
                         norm_eps=1e-5, local_attention=12, hidden_activation="gelu", classifier_bias=bias, **more)
    made = files(seed, "model.", config, gated_weights(seed, config, MODERNBERT, norm_biases=False, peak=1.0), [])
    made["tokenizer_config.json"].update(tokenizer_class="PreTrainedTokenizerFast", model_input_names=["input_ids", "attention_mask"])
    weights = head_weights(seed, ["head.dense", "classifier"], 0.5)
    if not bias:
        del weights["head.dense.bias"]
    norm = 1 + 0.3 * np.random.RandomState(seed).standard_normal(HIDDEN)
    weights["head.norm.weight"] = torch.from_numpy(norm.astype(np.float32))
    made["model.safetensors"] = save({**load(made["model.safetensors"]), **{k: v.half() for k, v in weights.items()}}, {"format": "pt"})
    return made


def s_files(tokenizer, settings):
    return without_none(s_folder(tokenizer, {**settings, "model_max_length": MAX_TOKENS}))


S_FAMILY = {"pad_token_id": 1, "type_vocab_size": 1, "vocab_size": BPE_SIZE, "layer_norm_eps": 1e-5}
WITHOUT_MODULES = ["modules.json", "1_Pooling/config.json"]
# What CrossEncoder.save of sentence-transformers 6.2 writes beside weights and tokenizer.
SAVED = {
    "modules.json": [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"}],
    "sentence_bert_config.json": {
        "transformer_task": "sequence-classification",
        "modality_config": {"text": {"method": "forward", "method_output_name": "logits"}}, "module_output_name": "scores"},
    "config_sentence_transformers.json": {
        "__version__": {"pytorch": "2.7.1", "sentence_transformers": "6.2.0", "transformers": "5.24.0"},
        "activation_fn": IDENTITY, "default_prompt_name": "find", "model_type": "CrossEncoder",
        "prompts": {"find": "the text, ", "none": ""}},
}


def make_rerankers():
    """name -> (model, overlay, removed, cases: changes of config.json and a prompt's name)."""
    bert = bert_like(31, "bert", "BertForSequenceClassification")
    bert = files(31, "bert.", *bert, dtype=torch.float32)
    identity, sigmoid = {"sentence_transformers": {"activation_fn": IDENTITY}}, {}
    both = [(identity, None), (sigmoid, None)]
    roberta = files(32, "roberta.", *bert_like(32, "roberta", "RobertaForSequenceClassification", model_type="roberta", **S_FAMILY))
    xlm = files(33, "roberta.", *bert_like(33, "xlm", "XLMRobertaForSequenceClassification", model_type="xlm-roberta", **S_FAMILY))
    camembert = files(34, "roberta.", *bert_like(34, "camembert", "CamembertForSequenceClassification", model_type="camembert",
                                                 **S_FAMILY))
    config = {**DISTILBERT, "architectures": ["DistilBertForSequenceClassification"]}
    distilbert = files(35, "distilbert.", config, distilbert_weights(35, config), ["pre_classifier", "classifier"], scale=0.35)
    config = bert_config(2, HIDDEN, 2, 64, 162, architectures=["MPNetForSequenceClassification"], model_type="mpnet",
                         pad_token_id=1, relative_attention_num_buckets=32, layer_norm_eps=1e-5)
    mpnet = files(36, "mpnet.", config, mpnet_weights(36, config), ["classifier.dense", "classifier.out_proj"])
    return {
        "bert": ("base", bert, WITHOUT_MODULES, [
            *both, ({"sbert_ce_default_activation_function": IDENTITY}, None),
            ({"sentence_transformers": {"activation_fn": None}, "sbert_ce_default_activation_function": IDENTITY}, None),
            ({"id2label": None, "num_labels": 1, "sentence_transformers": {"activation_fn": SIGMOID}}, None)]),
        "bert-saved": ("base", {**bert, **SAVED}, ["1_Pooling/config.json"], [({}, None), ({}, ""), ({}, "find"), ({}, "none")]),
        "camembert": ("roberta-bytes", {**camembert, **s_files(unigram(), {
            "tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "<pad>",
            "model_input_names": ["input_ids", "attention_mask"]})}, WITHOUT_MODULES, both),
        "distilbert": ("distilbert", distilbert, WITHOUT_MODULES, both),
        "modernbert": ("base", modernbert(37, False), WITHOUT_MODULES, both),
        "modernbert-mean": ("base", modernbert(38, True, classifier_pooling="mean", classifier_activation="silu"),
                            WITHOUT_MODULES, both),
        "mpnet": ("mpnet", {**mpnet, **s_files(MPNET_JSON, {"tokenizer_class": "MPNetTokenizer"})}, WITHOUT_MODULES, both),
        "roberta": ("roberta-bytes", {**roberta, **s_files(byte_bpe(), {"tokenizer_class": "RobertaTokenizer"})},
                    WITHOUT_MODULES, both),
        "xlm-roberta": ("roberta-bytes", {**xlm, **s_files(unigram(), {"tokenizer_class": "XLMRobertaTokenizer"})},
                        WITHOUT_MODULES, both),
    }


RERANKERS = make_rerankers()
PAIRS = make_pairs()
