"""Model folders for the checks of a device: the golden ones, larger ones of the same families, ones with a NaN."""

import json
import math
import re
import shutil
import struct
from pathlib import Path

import numpy as np

from device_engine import Source

GOLDEN = Path(__file__).resolve().parent.parent / "data/golden"
SCALED = ("base", "distilbert", "roberta", "mpnet", "modernbert", "nomic", "gte", "jina")  # variants, one a family
EMBEDDING = re.compile(r"(word_embeddings|tok_embeddings)\.weight$")
BITS = {"F32": (np.uint32, 0x7FC00000), "F16": (np.uint16, 0x7E00), "BF16": (np.uint16, 0x7FC0)}  # NaN


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


class Case:
    """A model folder and its texts. tiny: a golden one, whose attention is more peaked than that of trained models."""

    def __init__(self, name, folder, sources, tiny=True, reranker=False):
        self.name, self.folder, self.sources, self.tiny, self.reranker = name, folder, sources, tiny, reranker

    def some(self, count):
        """The case with its first texts."""
        return Case(self.name, self.folder, self.sources[:count], self.tiny, self.reranker)


def assemble(group, name, to):
    """As tests/model/model_folder.c does; returns expected.json."""
    overlay = GOLDEN / group / name
    expected = read_json(overlay / "expected.json")
    shutil.copytree(GOLDEN / "models" / expected["model"], to)
    shutil.copytree(overlay, to, dirs_exist_ok=True)
    for file in ("expected.json", "expected.f32", *expected.get("remove", [])):
        (to / file).unlink()
    for file in expected.get("move", []):
        target = to / expected["move_to"] / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(to / file, target)
    return expected


def golden_names():
    return {group: sorted(path.name for path in (GOLDEN / group).iterdir() if path.is_dir())
            for group in ("variants", "rerankers")}


def golden_case(group, name, work):
    folder = work / f"{group}-{name}"
    expected = assemble(group, name, folder)
    if group == "rerankers":
        return Case(f"reranker {name}", folder, [Source(text=text, pair=pair) for text, pair in expected["pairs"]], reranker=True)
    texts = expected.get("texts") or read_json(GOLDEN / "texts.json")
    sources = [Source(text=text, prompt=case["prompt_name"]) for case in expected["cases"] for text in texts]
    return Case(name, folder, sources)


def read_tensors(path):
    """(header, the bytes after it as a writable array) of a safetensors file."""
    data = Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + size]), np.frombuffer(data, np.uint8, offset=8 + size).copy()


def write_tensors(path, header, body):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body.tobytes())


def copy_with_nan(folder, to, token):
    """The folder with a NaN as one element of a token's embedding. False: there is no embedding of a known name."""
    shutil.copytree(folder, to)
    (to / "sutra.json").unlink(missing_ok=True)  # the size and the digest of the weights
    for path in sorted(to.rglob("*.safetensors")):
        header, body = read_tensors(path)
        for name, facts in header.items():
            if not EMBEDDING.search(name) or facts["dtype"] not in BITS or token >= facts["shape"][0]:
                continue
            kind, nan = BITS[facts["dtype"]]
            begin, end = facts["data_offsets"]
            table = body[begin:end].view(kind).reshape(facts["shape"])
            table[token, facts["shape"][1] // 2] = nan
            path.unlink()  # a link to a file elsewhere stays as it is
            write_tensors(path, header, body)
            return True
    return False


def scaled_config(config, factor, head_size):
    """A golden config.json with everything as wide as the hidden size made `factor` times as wide."""
    config = dict(config)
    for name in ("hidden_size", "intermediate_size", "dim", "hidden_dim", "n_embd", "n_inner"):
        if name in config:
            config[name] *= factor
    hidden = next(config[name] for name in ("hidden_size", "dim", "n_embd") if name in config)
    heads = next(name for name in ("num_attention_heads", "n_heads", "n_head") if name in config)
    config[heads] = hidden // head_size
    return config


def scaled_shape(name, shape, factor, heads):
    if name.endswith("relative_attention_bias.weight"):
        return [shape[0], heads]
    if "embeddings" in name and len(shape) == 2:  # of tokens, positions, types
        return [shape[0], shape[1] * factor]
    return [size * factor for size in shape]


def write_scaled(variant, factor, head_size, work):
    """A golden model with its tokenizer, `factor` times as wide, weights random as those of a model that is yet to be
    trained. Returns the Case."""
    name = f"{variant}-x{factor}-heads-of-{head_size}"
    folder = work / name
    expected = assemble("variants", variant, folder)
    random = np.random.default_rng(sum(name.encode()))
    config = scaled_config(read_json(folder / "config.json"), factor, head_size)
    (folder / "config.json").write_text(json.dumps(config))
    heads = next(config[key] for key in ("num_attention_heads", "n_heads", "n_head") if key in config)
    pooling = folder / "1_Pooling/config.json"
    if pooling.is_file():
        facts = read_json(pooling)
        facts.update({key: facts[key] * factor for key in ("word_embedding_dimension", "embedding_dimension") if key in facts})
        pooling.write_text(json.dumps(facts))
    for path in sorted(folder.glob("*.safetensors")):
        header, _body = read_tensors(path)
        made, parts, place = {}, [], 0
        for tensor, facts in header.items():
            if tensor == "__metadata__":
                continue
            shape = scaled_shape(tensor, facts["shape"], factor, heads)
            values = 0.05 * random.standard_normal(math.prod(shape), np.float32)
            if len(shape) == 1 and tensor.endswith("weight"):
                values += 1  # of a norm
            data = values.astype("<f2").tobytes()
            made[tensor] = {"dtype": "F16", "shape": shape, "data_offsets": [place, place + len(data)]}
            parts.append(data)
            place += len(data)
        write_tensors(path, made, np.frombuffer(b"".join(parts), np.uint8))
    texts = expected.get("texts") or read_json(GOLDEN / "texts.json")
    return Case(name, folder, [Source(text=text, prompt="") for text in texts], tiny=False)
