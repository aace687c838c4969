#!/usr/bin/env python3
"""Every family at a production shape against transformers in fp32: random weights, real text. Run by `make conformance`.

usage: families.py [--model DIR] [--program BIN] [--data DIR] [--passages N] [--family NAME]
Weights are what the class draws, with queries and keys scaled so that attention is peaked and norms that are not 1; the
tokenizer is that of --model. Texts: passages, and runs of them as long as the family takes, up to 1,000 tokens. An
element may differ from the reference in double by at most 2e-6 of the vector's length, or by what the reference in
fp32 does itself if that is more.
"""

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from conformance_case import ROOT, Results, parse_arguments, sutra  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

sys.path.insert(0, str(ROOT / "tools"))
from golden_jina import jina_reference  # noqa: E402
from golden_models import JINA, gated_weights  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

LARGEST_DIFFERENCE = 2e-6
BASE = {"hidden_size": 768, "num_attention_heads": 12, "num_hidden_layers": 12, "intermediate_size": 3072}
# name: (config, longest text in tokens)
FAMILIES = {
    "bert": ({"model_type": "bert", **BASE, "max_position_embeddings": 512}, 512),
    "roberta": ({"model_type": "roberta", **BASE, "max_position_embeddings": 514, "pad_token_id": 1}, 512),
    "xlm-roberta": ({"model_type": "xlm-roberta", **BASE, "max_position_embeddings": 514, "pad_token_id": 1}, 512),
    "camembert": ({"model_type": "camembert", **BASE, "max_position_embeddings": 514, "pad_token_id": 1}, 512),
    "mpnet": ({"model_type": "mpnet", **BASE, "max_position_embeddings": 514, "pad_token_id": 1}, 512),
    "distilbert": ({"model_type": "distilbert", "dim": 768, "n_heads": 12, "n_layers": 6, "hidden_dim": 3072}, 512),
    "modernbert": ({"model_type": "modernbert", **BASE, "num_hidden_layers": 22, "intermediate_size": 1152,
                    "pad_token_id": 0, "cls_token_id": 101, "sep_token_id": 102, "bos_token_id": 101, "eos_token_id": 102}, 1000),
    "nomic_bert": ({"model_type": "nomic_bert", **BASE}, 1000),
    "gte": ({"model_type": "gte", **BASE}, 1000),
    "jina_bert": ({"model_type": "bert", **BASE, "max_position_embeddings": 8192, "position_embedding_type": "alibi",
                   "feed_forward_type": "geglu", "hidden_act": "gelu", "layer_norm_eps": 1e-12, "type_vocab_size": 2,
                   "auto_map": {"AutoModel": "modeling_bert.JinaBertModel"}}, 1000),
}


def sharpen(model):
    """Scores of several units, and norms of their own."""
    random = torch.Generator().manual_seed(3)
    for name, weight in model.named_parameters():
        with torch.no_grad():
            if weight.dim() == 2 and any(part in name for part in ("query", "key", "q_lin", "k_lin", "attn.q", "attn.k",
                                                                  "q_proj", "k_proj", "Wqkv")):
                weight *= 2.5
            elif weight.dim() == 1:
                weight += 0.1 * torch.randn(weight.shape, generator=random)


def make_folder(name, config, folder, base):
    """base: the model whose tokenizer is taken."""
    vocabulary = json.loads(Path(base, "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    config = {**config, "vocab_size": len(vocabulary)}
    if name == "jina_bert":
        folder.mkdir()
        save_file(gated_weights(5, config, JINA, biases="q k v o down".split(), peak=1.2), folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    else:
        torch.manual_seed(5)
        kind = config.pop("model_type")
        model = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **config))
        sharpen(model)
        model.save_pretrained(folder)
    for file in ("tokenizer.json", "vocab.txt"):
        if Path(base, file).exists():
            shutil.copy(Path(base, file), folder)
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": FAMILIES[name][1]}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    chain = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    (folder / "modules.json").write_text(json.dumps(
        [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
         for i, (path, kind) in enumerate(chain)]), encoding="utf-8")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(
        {"word_embedding_dimension": 768, "pooling_mode_mean_tokens": True}), encoding="utf-8")


def reference(name, folder, texts, dtype):
    """One text at a time: no padding takes part."""
    if name == "jina_bert":
        model = jina_reference(str(folder), "cpu", {"dtype": dtype})
        model.encoder.tokenizer.model_max_length = FAMILIES[name][1]
        return model.encode(texts).astype(np.float64)
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": dtype})
    model.max_seq_length = FAMILIES[name][1]
    return model.encode(texts, batch_size=1, normalize_embeddings=True, show_progress_bar=False).astype(np.float64)


def compare(name, texts):
    config, longest = FAMILIES[name]
    with tempfile.TemporaryDirectory() as scratch:
        folder, source, out = Path(scratch, "model"), Path(scratch, "texts.txt"), Path(scratch, "vectors.npy")
        make_folder(name, config, folder, args.model)
        source.write_text("\n".join(texts) + "\n", encoding="utf-8")
        sutra(args.program, "embed", "-m", str(folder), "-i", str(source), "-o", str(out), "--format", "npy")
        ours = np.load(out).astype(np.float64)
        exact, theirs = (reference(name, folder, texts, dtype) for dtype in (torch.float64, torch.float32))
    difference, own = np.abs(ours - exact).max(), np.abs(theirs - exact).max()
    results.record(f"{name}, {len(texts)} texts up to {longest} tokens, largest difference",
                   f"{difference:.2e}, the reference in fp32 {own:.2e}", f"at most {LARGEST_DIFFERENCE:g} or the latter",
                   bool(difference <= max(LARGEST_DIFFERENCE, own)))


def make_texts():
    lines = (args.data / "passages.txt").read_text(encoding="utf-8").split("\n")
    runs = [" ".join(lines[i:i + n]) for i, n in ((100, 3), (110, 8), (130, 20))]
    return lines[:args.passages] + runs


def main():
    global args, results
    only = None
    if "--family" in sys.argv:
        at = sys.argv.index("--family")
        only = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    args = parse_arguments(passages=8)
    results = Results()
    for family in [only] if only else FAMILIES:
        compare(family, make_texts())
    results.finish()


transformers.logging.set_verbosity_error()
if __name__ == "__main__":
    main()
