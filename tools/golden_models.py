"""The models of tests/data/golden: tiny encoders with random weights, in Hugging Face layout (make_goldens.py).

Weights are scaled so that attention is peaked (a softmax close to one-hot for many rows) and every LayerNorm has
weights and biases of its own: an error anywhere shows in the output.
"""
import json
import os

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

BPE_SIZE = 400  # tokens of the vocabularies of bytes and pieces

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


def gated_weights(seed, config, names, biases=(), norm_biases=True, peak=1.2):
    """Of an encoder with a gate, in the layout that `names` gives: {part: name}, a '#' being the layer, "" left out.
    Fused parts are lists of parts. biases: the parts that have one."""
    random = np.random.RandomState(seed)
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    sizes = {"q": (hidden, hidden, peak), "k": (hidden, hidden, peak), "v": (hidden, hidden, 1.0), "o": (hidden, hidden, 1.0),
             "gate": (ffn, hidden, 1.2), "up": (ffn, hidden, 1.2), "down": (hidden, ffn, 1.2)}
    weights = {}

    def draw(shape, scale, middle=0.0):
        return torch.from_numpy((middle + scale * random.standard_normal(shape)).astype(np.float32))

    def norm(name):
        weights[name + ".weight"] = draw(hidden, 0.3, 1.0)
        if norm_biases:
            weights[name + ".bias"] = draw(hidden, 0.2)

    def linear(name, parts):
        weights[name + ".weight"] = torch.cat(
            [draw(sizes[p][:2], sizes[p][2] / np.sqrt(sizes[p][1])) for p in parts])
        if parts[0] in biases:
            weights[name + ".bias"] = torch.cat([draw(sizes[p][0], 0.1) for p in parts])

    weights[names["token"]] = draw((config["vocab_size"], hidden), 1.0)
    if "type" in names and config.get("type_vocab_size"):
        weights[names["type"]] = draw((config["type_vocab_size"], hidden), 0.5)
    norm(names["norm"])
    for i in range(config["num_hidden_layers"]):
        for part, name in names["layer"].items():
            if part.startswith("norm"):
                if i or part != "norm-not-first":
                    norm(name.replace("#", str(i)))
            else:
                linear(name.replace("#", str(i)), part.split("+"))
    if "final" in names:
        norm(names["final"])
    return weights


MODERNBERT = {"token": "embeddings.tok_embeddings.weight", "norm": "embeddings.norm", "final": "final_norm", "layer": {
    "norm-not-first": "layers.#.attn_norm", "q+k+v": "layers.#.attn.Wqkv", "o": "layers.#.attn.Wo",
    "norm": "layers.#.mlp_norm", "gate+up": "layers.#.mlp.Wi", "down": "layers.#.mlp.Wo"}}
EMBEDDINGS = {"token": "embeddings.word_embeddings.weight", "type": "embeddings.token_type_embeddings.weight",
              "norm": "embeddings.LayerNorm"}
PROJECTIONS = {**EMBEDDINGS, "layer": {
    "q": "layers.#.self_attn.q_proj", "k": "layers.#.self_attn.k_proj", "v": "layers.#.self_attn.v_proj",
    "o": "layers.#.self_attn.o_proj", "norm-a": "layers.#.post_attention_layernorm", "gate": "layers.#.mlp.gate_proj",
    "up": "layers.#.mlp.up_proj", "down": "layers.#.mlp.down_proj", "norm-b": "layers.#.post_mlp_layernorm"}}
NOMIC_PUBLISHED = {**EMBEDDINGS, "norm": "emb_ln", "layer": {
    "q+k+v": "encoder.layers.#.attn.Wqkv", "o": "encoder.layers.#.attn.out_proj", "norm-a": "encoder.layers.#.norm1",
    "up": "encoder.layers.#.mlp.fc11", "gate": "encoder.layers.#.mlp.fc12", "down": "encoder.layers.#.mlp.fc2",
    "norm-b": "encoder.layers.#.norm2"}}
GTE_PUBLISHED = {**EMBEDDINGS, "layer": {
    "q+k+v": "encoder.layer.#.attention.qkv_proj", "o": "encoder.layer.#.attention.o_proj",
    "norm-a": "encoder.layer.#.attn_ln", "up+gate": "encoder.layer.#.mlp.up_gate_proj",
    "down": "encoder.layer.#.mlp.down_proj", "norm-b": "encoder.layer.#.mlp_ln"}}
JINA = {**EMBEDDINGS, "layer": {
    "q": "encoder.layer.#.attention.self.query", "k": "encoder.layer.#.attention.self.key",
    "v": "encoder.layer.#.attention.self.value", "o": "encoder.layer.#.attention.output.dense",
    "norm-a": "encoder.layer.#.attention.output.LayerNorm", "gate+up": "encoder.layer.#.mlp.gated_layers",
    "down": "encoder.layer.#.mlp.wo", "norm-b": "encoder.layer.#.mlp.layernorm"}}


def halves(weights):
    return {k: v.to(torch.float16) for k, v in weights.items()}


def write_gated_models(root):
    """ModernBERT, Nomic, GTE, Jina: heads of 16 and 24, windows that texts of the goldens cross, both layouts."""
    config = bert_config(4, 32, 2, 48, 900, architectures=["ModernBertModel"], model_type="modernbert",
                         hidden_activation="gelu", norm_eps=1e-5, local_attention=12)
    write_model(root, "modernbert", config, gated_weights(21, config, MODERNBERT, norm_biases=False))

    config = bert_config(2, 48, 2, 40, 900, architectures=["ModernBertModel"], model_type="modernbert", norm_eps=1e-5,
                         hidden_activation="gelu", local_attention=128, attention_bias=True, mlp_bias=True,
                         norm_bias=True, layer_types=["sliding_attention", "full_attention"], rope_parameters={
                             "full_attention": {"rope_type": "default", "rope_theta": 80000.0},
                             "sliding_attention": {"rope_type": "default", "rope_theta": 500.0}})
    weights = gated_weights(22, config, MODERNBERT, biases="q gate o down".split())
    write_model(root, "modernbert-biases", config, {"model." + k: v for k, v in halves(weights).items()})

    config = bert_config(2, 32, 2, 48, 900, architectures=["NomicBertModel"], model_type="nomic_bert", hidden_act="silu",
                         rope_parameters={"rope_type": "default", "rope_theta": 1000.0})
    write_model(root, "nomic", config, halves(gated_weights(23, config, PROJECTIONS)))

    old = {"activation_function": "swiglu", "architectures": ["NomicBertModel"], "auto_map": {
        "AutoConfig": "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
        "AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel"}, "causal": False,
        "layer_norm_epsilon": 1e-5, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "model_type": "nomic_bert", "n_embd": 32,
        "n_head": 2, "n_inner": 48, "n_layer": 2, "n_positions": 900, "parallel_block": False, "prenorm": False,
        "qkv_proj_bias": False, "rotary_emb_base": 2000, "rotary_emb_fraction": 1.0, "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None, "rotary_scaling_factor": None, "type_vocab_size": 2, "use_rms_norm": False,
        "vocab_size": len(VOCAB)}
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    write_model(root, "nomic-published", old, halves(gated_weights(24, {**old, **sizes}, NOMIC_PUBLISHED)))

    config = bert_config(2, 32, 2, 48, 900, architectures=["GteModel"], model_type="gte", type_vocab_size=1,
                         rope_parameters={"rope_type": "default", "rope_theta": 160000.0})
    write_model(root, "gte", config, halves(gated_weights(25, config, PROJECTIONS, biases="q k v o down".split())))

    config = bert_config(2, 32, 2, 48, 900, architectures=["NewModel"], model_type="new", type_vocab_size=0,
                         auto_map={"AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig",
                                   "AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel"},
                         layer_norm_type="layer_norm", logn_attention_scale=False, pack_qkv=True,
                         position_embedding_type="rope", rope_theta=20000, rope_scaling={"factor": 2.0, "type": "ntk"})
    write_model(root, "gte-published", config, halves(
        {"new." + k: v for k, v in gated_weights(26, config, GTE_PUBLISHED, biases="q o down".split()).items()}))

    config = bert_config(2, 48, 6, 40, 900, architectures=["JinaBertForMaskedLM"], position_embedding_type="alibi",
                         feed_forward_type="geglu", auto_map={
                             "AutoConfig": "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
                             "AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel"})
    write_model(root, "jina", config, halves(gated_weights(27, config, JINA, biases="q k v o down".split())))


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
               pooling_config(config.get("hidden_size") or config.get("dim") or config["n_embd"]))
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
    write_gated_models(root)
