"""A sentence-transformers folder of a shape with random weights in fp16, made by transformers."""

import json
import shutil
from pathlib import Path

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
SHAPES = {"MiniLM": (6, 384, 1536, 12), "base": (12, 768, 3072, 12), "large": (24, 1024, 4096, 16)}  # layers, hidden, ffn, heads


def bert_config(shape, vocab_size):
    from transformers import BertConfig
    layers, hidden, ffn, heads = shape
    return BertConfig(vocab_size=vocab_size, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                      intermediate_size=ffn, max_position_embeddings=512)


def write_model(folder, tokenizer, shape, max_tokens):
    import torch
    from transformers import BertModel
    from transformers.utils import logging
    logging.disable_progress_bar()
    folder, tokenizer = Path(folder), Path(tokenizer)
    if not (tokenizer / "tokenizer.json").is_file():
        raise FileNotFoundError(f"{tokenizer}: no tokenizer.json")
    torch.manual_seed(1)
    vocabulary = json.loads((tokenizer / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    model = BertModel(bert_config(shape, len(vocabulary)), add_pooling_layer=False)
    model.half().save_pretrained(folder)
    for name in TOKENIZER_FILES:
        if (tokenizer / name).is_file():
            shutil.copyfile(tokenizer / name, folder / name)
    modules = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": int(i), "name": i, "path": path, "type": f"sentence_transformers.models.{kind}"} for i, path, kind in modules]))
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(
        {"word_embedding_dimension": shape[1], "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
         "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": max_tokens, "do_lower_case": False}))
