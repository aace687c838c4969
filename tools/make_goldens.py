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

    golden/rerankers/NAME/            the same of a reranker, made by CrossEncoder, and
        expected.json                 {"model", "remove", "pairs": [[text, text], …], "token_ids", "type_ids" of each,
                                       "cases": [{"config": changes of config.json, "prompt_name"}, …]}; the ids are those
                                       of the first case
        expected.f32                  for each case the scores [pairs]

golden_models.py, golden_variants.py and golden_rerankers.py say what they are.
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
from safetensors.torch import save_file
from sentence_transformers import CrossEncoder, SentenceTransformer

from golden_jina import jina_reference
from golden_models import make_texts, write_json, write_models
from golden_rerankers import PAIRS, RERANKERS
from golden_variants import MOVED, VARIANTS

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "data", "golden")
TOLERANCE = 2e-6


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


def write_reference_config(folder):
    """Of models published with code of their own: what transformers calls the same sizes. Their weights it renames."""
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config.pop("auto_map", None)
    if "n_embd" in config:
        config.update(hidden_size=config["n_embd"], intermediate_size=config["n_inner"], num_hidden_layers=config["n_layer"],
                      num_attention_heads=config["n_head"], max_position_embeddings=config["n_positions"],
                      layer_norm_eps=config["layer_norm_epsilon"], hidden_act="silu",
                      rope_parameters={"rope_type": "default", "rope_theta": float(config["rotary_emb_base"])})
    if config["model_type"] == "new":
        config.update(model_type="gte", architectures=["GteModel"])
        config.pop("rope_scaling")
    write_json(path, config)


def scale_ropes(model, factor):
    """The published code's "ntk": another base, and frequencies divided by factor^(2 / head size)."""
    rope = model[0].auto_model.rotary_emb
    size = 2 * rope.inv_freq.shape[0]
    base = rope.config.rope_parameters["rope_theta"] * factor
    frequencies = 1.0 / (base ** (torch.arange(0, size, 2, dtype=torch.float) / size)) / factor ** (2 / size)
    rope.inv_freq = frequencies.to(rope.inv_freq.dtype)


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
        if "published" in model_name:
            write_reference_config(folder)
        make = jina_reference if model_name == "jina" else SentenceTransformer
        load = lambda dtype: make(folder, device="cpu", model_kwargs={"dtype": dtype})
        model, exact = load(torch.float32), load(torch.float64)
        if model_name == "gte-published":
            scale_ropes(model, 2.0)
            scale_ropes(exact, 2.0)
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


def patch_config(folder, changes):
    path = os.path.join(folder, "config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    write_json(path, {**config, **changes})


def score(folder, changes, prompt_name):
    """Scores of the pairs, one pair at a time, and how far those in double are from them; the first pair's ids."""
    patch_config(folder, changes)
    load = lambda dtype: CrossEncoder(folder, device="cpu", model_kwargs={"dtype": dtype})
    arguments = {"prompt": ""} if prompt_name == "" else {"prompt_name": prompt_name}
    model, exact = load(torch.float32), load(torch.float64)
    scores, reference = (np.concatenate([m.predict([pair], batch_size=1, show_progress_bar=False, convert_to_tensor=True,
                                                   **arguments).numpy() for pair in PAIRS]) for m in (model, exact))
    prompt = "" if prompt_name == "" else model.prompts.get(prompt_name or model.default_prompt_name or "", "")
    features = [model.preprocess([pair], prompt=prompt) for pair in PAIRS]
    assert scores.dtype == np.float32 and reference.dtype == np.float64 and np.isfinite(scores).all()
    return scores, np.abs(scores - reference).max(), features


def run_reranker(root, name):
    model_name, overlay, removed, tests = RERANKERS[name]
    target = os.path.join(root, "rerankers", name)
    os.makedirs(target)
    lay_over(overlay, target)
    floats, cases, noise, first = [], [], 0.0, None
    for changes, prompt_name in tests:
        with tempfile.TemporaryDirectory() as scratch:
            folder = os.path.join(scratch, "model")
            shutil.copytree(os.path.join(root, "models", model_name), folder)
            lay_over(overlay, folder)
            for path in removed:
                os.remove(os.path.join(folder, path))
            scores, difference, features = score(folder, changes, prompt_name)
        first = first or features
        noise = max(noise, difference)
        floats.append(scores)
        cases.append({"config": changes, "prompt_name": prompt_name})
    ids = [f["input_ids"][0].tolist() for f in first]
    types = [f["token_type_ids"][0].tolist() if "token_type_ids" in f else [0] * len(i) for f, i in zip(first, ids)]
    with open(os.path.join(target, "expected.f32"), "wb") as out:
        out.write(np.concatenate(floats).astype("<f4").tobytes())
    with open(os.path.join(target, "expected.json"), "w", encoding="utf-8") as out:
        json.dump({"model": model_name, "remove": removed, "pairs": PAIRS, "token_ids": ids, "type_ids": types,
                   "cases": cases}, out, separators=(",", ":"))
        out.write("\n")
    print(f"{name:26s} rounding of the reference {noise:.1e}, scores from {min(map(np.min, floats)):.2f} to "
          f"{max(map(np.max, floats)):.2f}")
    assert noise < TOLERANCE / 2, "too ill-conditioned to test anything"


def make(root):
    os.makedirs(root)
    texts = make_texts()
    write_json(os.path.join(root, "texts.json"), texts)
    write_models(root)
    for name in VARIANTS:
        run_variant(root, name, texts)
    for name in RERANKERS:
        run_reranker(root, name)
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
    parser.add_argument("--add", action="store_true", help="make the missing variants and rerankers only")
    arguments = parser.parse_args()
    check = arguments.check
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    if arguments.add:
        write_models(GOLDEN)
        for name in VARIANTS:
            if not os.path.isdir(os.path.join(GOLDEN, "variants", name)):
                run_variant(GOLDEN, name, make_texts())
        for name in RERANKERS:
            if not os.path.isdir(os.path.join(GOLDEN, "rerankers", name)):
                run_reranker(GOLDEN, name)
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
