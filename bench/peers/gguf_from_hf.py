"""A BERT, or a Nomic BERT under its published names, as GGUF for llama.cpp, its matrices in fp32, fp16, bf16 or Q8_0.

usage: gguf_from_hf.py FOLDER FILE.gguf [F32 | F16 | BF16 | Q8_0]
"""

import json
import sys
from pathlib import Path

import gguf
from safetensors.numpy import load_file

LAYER_NAMES = {
    "attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm",
    "attn.Wqkv": "attn_qkv", "attn.out_proj": "attn_output", "norm1": "attn_output_norm", "mlp.fc11": "ffn_up",
    "mlp.fc12": "ffn_gate", "mlp.fc2": "ffn_down", "norm2": "layer_output_norm",
}
FILE_TYPES = {"F32": gguf.LlamaFileType.ALL_F32, "F16": gguf.LlamaFileType.MOSTLY_F16, "BF16": gguf.LlamaFileType.MOSTLY_BF16,
              "Q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
OTHER_NAMES = {
    "embeddings.word_embeddings.weight": "token_embd.weight",
    "embeddings.position_embeddings.weight": "position_embd.weight",
    "embeddings.token_type_embeddings.weight": "token_types.weight",
    "embeddings.LayerNorm.weight": "token_embd_norm.weight",
    "embeddings.LayerNorm.bias": "token_embd_norm.bias",
    "emb_ln.weight": "token_embd_norm.weight", "emb_ln.bias": "token_embd_norm.bias",
}


def gguf_name(name):
    """None for tensors that an embedding does not need."""
    if name in OTHER_NAMES:
        return OTHER_NAMES[name]
    if not name.startswith(("encoder.layer.", "encoder.layers.")):
        return None
    layer, rest = name.split(".", 2)[2].split(".", 1)
    stem, kind = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER_NAMES[stem]}.{kind}"


def add_vocabulary(writer, folder):
    """llama.cpp marks the start of a word where WordPiece marks its continuation."""
    tokens = (folder / "vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    index = {token: i for i, token in enumerate(tokens)}
    texts, types = [], []
    for token in tokens:
        special = token.startswith("[") and token.endswith("]") and len(token) > 2
        texts.append(token if special else token[2:] if token.startswith("##") and len(token) > 2 else "\u2581" + token)
        types.append(gguf.TokenType.CONTROL if special else gguf.TokenType.NORMAL)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(texts)
    writer.add_token_types(types)
    writer.add_token_type_count(2)
    writer.add_unk_token_id(index["[UNK]"])
    writer.add_sep_token_id(index["[SEP]"])
    writer.add_pad_token_id(index["[PAD]"])
    writer.add_bos_token_id(index["[CLS]"])
    writer.add_eos_token_id(index["[SEP]"])
    writer.add_mask_token_id(index["[MASK]"])
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def convert(folder, out, kind="F32"):
    folder = Path(folder)
    config = json.loads((folder / "config.json").read_text())
    nomic = "n_embd" in config
    writer = gguf.GGUFWriter(out, "nomic-bert" if nomic else "bert")
    writer.add_name(folder.name)
    writer.add_block_count(config["n_layer" if nomic else "num_hidden_layers"])
    writer.add_context_length(config["n_positions" if nomic else "max_position_embeddings"])
    writer.add_embedding_length(config["n_embd" if nomic else "hidden_size"])
    writer.add_feed_forward_length(config["n_inner" if nomic else "intermediate_size"])
    writer.add_head_count(config["n_head" if nomic else "num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon" if nomic else "layer_norm_eps"])
    if nomic:
        writer.add_rope_freq_base(float(config["rotary_emb_base"]))
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(FILE_TYPES[kind])
    add_vocabulary(writer, folder)
    for name, tensor in load_file(folder / "model.safetensors").items():
        target = gguf_name(name)
        if target and tensor.dtype.kind == "f":
            # as llama.cpp's own converter, which leaves vectors, positions and types in fp32
            small = tensor.ndim < 2 or target in ("position_embd.weight", "token_types.weight")
            stored = gguf.GGMLQuantizationType[kind if not small else "F32"]
            writer.add_tensor(target, gguf.quants.quantize(tensor, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    convert(*sys.argv[1:4])
