#!/usr/bin/env python3
"""sutra info, list and pull."""

import json
import os
import shutil
from pathlib import Path

from cli_case import HUB, MODEL, SOURCE, Base, embed, lines, main, read_jsonl, sutra


class Models(Base):
    def test_info(self):
        config = json.loads(Path(MODEL, "config.json").read_text(encoding="utf-8"))
        facts = json.loads(sutra("info", "--json", MODEL))
        self.assertEqual(facts["path"], MODEL)
        self.assertEqual(facts["hidden_size"], config["hidden_size"])
        self.assertEqual(facts["num_layers"], config["num_hidden_layers"])
        self.assertEqual(facts["family"], config["model_type"])
        self.assertEqual(json.loads(sutra("info", "--json", "-m", MODEL)), facts)
        self.assertEqual(json.loads(sutra("info", "--json", env={"SUTRA_MODEL": MODEL})), facts)
        self.assertRegex(sutra("info", MODEL).decode(), rf"(?m)^dimensions +{config['hidden_size']}$")
        sutra("info", MODEL, MODEL, code=2, stderr="takes one model")

    def test_info_shows_the_whole_recipe(self):
        """Every part of the chain that a wrong value of would change vectors without a word."""
        plain = self.recipe(MODEL)
        self.assertEqual(plain, {"hidden_size": 32, "dim": 32, "tokenizer_class": "BertTokenizer", "truncation_side": "right",
                                 "pooling": "mean", "include_prompt": True, "modules": [], "normalize": True,
                                 "truncate_dim": None, "prompts": {}, "default_prompt": None})
        shown = sutra("info", MODEL).decode()
        for line in ("hidden size +32", "tokenizer +BertTokenizer", "truncation +right: .*", "prompt tokens +pooled",
                     "normalize +yes", "default prompt +none"):
            self.assertRegex(shown, rf"(?m)^{line}$")
        self.assertNotRegex(shown, "(?m)^(module|truncate dim) ")

        model = self.dir / "dense"
        shutil.copytree(MODEL, model)
        shutil.copytree(SOURCE / "tests/data/golden/variants/dense", model, dirs_exist_ok=True)
        dense = json.loads((model / "2_Dense/config.json").read_text(encoding="utf-8"))
        pooling = json.loads((model / "1_Pooling/config.json").read_text(encoding="utf-8"))
        self.write("dense/1_Pooling/config.json", json.dumps({**pooling, "include_prompt": False}))
        tokenizer = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.write("dense/tokenizer_config.json", json.dumps(
            {**tokenizer, "tokenizer_class": "DistilBertTokenizerFast", "truncation_side": "left"}))
        prompts = {"query": "the green ", "document": "stone "}
        self.write("dense/config_sentence_transformers.json", json.dumps(
            {"prompts": prompts, "default_prompt_name": "document", "truncate_dim": 16}))
        last = dense["activation_function"].rsplit(".", 1)[1].lower()
        expected = {**plain, "dim": 16, "tokenizer_class": "DistilBertTokenizer", "truncation_side": "left", "include_prompt": False,
                    "modules": [{"type": "Dense", "in": 32, "out": dense["out_features"], "activation": last}],
                    "normalize": any(m["type"].endswith(".Normalize") for m in json.loads((model / "modules.json").read_text())),
                    "truncate_dim": 16, "prompts": prompts, "default_prompt": "document"}
        self.assertEqual(self.recipe(model), expected)
        shown = sutra("info", model).decode()
        for line in (f"module +Dense, 32 -> {dense['out_features']}, {last}", "hidden size +32", "dimensions +16", "truncation +left: .*",
                     "prompt tokens +not pooled", "truncate dim +16", "default prompt +document"):
            self.assertRegex(shown, rf"(?m)^{line}$")
        bundle = self.dir / "dense.sutra"
        sutra("convert", "-m", model, "-o", bundle)
        self.assertEqual(self.recipe(bundle), expected)

        norms = self.dir / "norms"
        shutil.copytree(MODEL, norms)
        shutil.copytree(SOURCE / "tests/data/golden/variants/layer-norm", norms, dirs_exist_ok=True)
        self.assertEqual(self.recipe(norms), {**plain, "normalize": False, "modules": [
            {"type": "LayerNorm", "in": 32, "out": 32}] * 2})
        self.assertRegex(sutra("info", norms).decode(), "(?m)^module +LayerNorm, 32 -> 32$")

    @staticmethod
    def recipe(model):
        facts = json.loads(sutra("info", "--json", model))
        return {key: facts[key] for key in ("hidden_size", "dim", "tokenizer_class", "truncation_side", "pooling", "include_prompt",
                                            "modules", "normalize", "truncate_dim", "prompts", "default_prompt")}

    def test_profiles(self):
        config = json.loads(sutra("info", "--json", "--profile", "efficient"))
        self.assertEqual((config["model"], config["dim"], config["row_bytes"]), ("all-MiniLM-L6-v2", 384, 1536))
        facts = json.loads(sutra("info", "--json", "--profile", "ultra-efficient"))
        self.assertEqual((facts["dim"], facts["output_dtype"], facts["row_bytes"]), (256, "ubinary", 32))
        self.assertRegex(sutra("info", "--profile", "auto").decode(), "(?m)^because +auto is .* here: ")
        one = {"SUTRA_THREADS": "1"}
        self.assertRegex(sutra("info", "--profile", "auto", env=one).decode(), "auto is efficient here: (1 cores at|no speed)")
        sutra("info", "--profile", "auto", env={"SUTRA_THREADS": "0"}, code=1, stderr="SUTRA_THREADS=0 is not")
        sutra("info", "--profile", "efficient", MODEL, code=2, stderr="--profile chooses the model")
        sutra("embed", "--profile", "efficient", "-m", MODEL, "a", code=1, stderr="--profile chooses the model")
        # A small model in the place of the profile's.
        cache = {"HF_HUB_CACHE": str(self.dir / "cache"), "SUTRA_MODEL": "not-this-one"}
        folder = self.dir / "cache/models--sentence-transformers--all-MiniLM-L6-v2"
        sutra("embed", "--profile", "efficient", "a", env=cache, code=1, stderr="sutra pull all-MiniLM-L6-v2")
        note = "(?m)^sutra: --profile efficient takes all-MiniLM-L6-v2, not not-this-one of SUTRA_MODEL$"
        sutra("info", "--profile", "efficient", env=cache, stderr=note)
        for same in ("", "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"):
            sutra("info", "--profile", "efficient", env={"SUTRA_MODEL": same})
        shutil.copytree(MODEL, folder / "snapshots" / ("a" * 40))
        (folder / "refs").mkdir()
        (folder / "refs/main").write_text("a" * 40, encoding="ascii")
        said = f"--profile efficient: all-MiniLM-L6-v2 in {config['compute']}, 32 dimensions of float32"
        other = r"--profile \S+ with other options: all-MiniLM-L6-v2 in fp32, 32 dimensions of float32"
        self.assertEqual(sutra("embed", "--profile", "efficient", "a", env=cache, stderr=said),
                         embed("a", "--compute", config["compute"]))
        self.assertEqual(sutra("embed", "--profile", "efficient", "--compute", "fp32", "a", env=cache, stderr=other),
                         embed("a"))
        self.assertEqual(sutra("embed", "--profile", "ultra-efficient", "--dim", "32", "a", env=cache, stderr="--profile ultra-efficient"),
                         embed("a", "--compute", facts["compute"], "--dim", "32", "--output-dtype", "ubinary"))
        sutra("embed", "--profile", "ultra-efficient", "a", env=cache, code=1, stderr="dim 256")
        real = os.environ.get("SUTRA_TEST_MODEL", "")
        if not Path(real, "model.safetensors").exists():
            print("no SUTRA_TEST_MODEL: the cut of ultra-efficient was not tried")
            return
        (folder / "refs/main").write_text("b" * 40, encoding="ascii")
        shutil.copytree(real, folder / "snapshots" / ("b" * 40))
        texts = ("a green garden", "the river at night")
        own = ("-m", real, "--compute", facts["compute"], "--dim", "256", "--output-dtype", "ubinary")
        for command in ("embed", "similarity"):
            self.assertEqual(sutra(command, "--profile", "ultra-efficient", *texts, env=cache, stderr="--profile ultra-efficient"),
                             sutra(command, *own, *texts))

    def test_list_of_an_empty_cache(self):
        cache = {"HF_HUB_CACHE": str(self.dir / "cache")}
        models = read_jsonl(sutra("list", "--json", env=cache))
        self.assertIn("all-MiniLM-L6-v2", [m["name"] for m in models])
        self.assertFalse(any(m["present"] for m in models))
        self.assertEqual(len(sutra("list", env=cache).decode().splitlines()), len(models) + 1)

    def test_table_of_the_registry(self):
        """docs/MODELS.md says of every model what the registry does."""
        models = read_jsonl(sutra("list", "--json", env={"HF_HUB_CACHE": str(self.dir / "cache")}))
        text = (SOURCE / "docs/MODELS.md").read_text(encoding="utf-8")
        section = text.split("## Registry\n")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| `")]
        self.assertEqual(rows, [self.registry_row(model) for model in models])

    @staticmethod
    def registry_row(model):
        shorter = ", ".join(str(n) for n in model.get("matryoshka", [])[1:])
        which = "every text: " if model.get("needs_prompt") else "queries: "
        prompts = ", ".join(f'"{text}"' for text in model.get("prompts", {}).values())
        cells = (f"`{model['family']}`", model["name"], "score" if model["kind"] == "reranker" else
                 f"{model['dim']}" + (f" ({shorter})" if shorter else ""), f"{model['max_tokens']}", model.get("pooling", ""),
                 which + prompts if prompts else "",
                 "real weights" if model["name"] == "all-MiniLM-L6-v2" else "random weights")
        return "| " + " | ".join(cells) + " |"

    def test_pull_from_a_folder(self):
        if not HUB:
            print("built without libsutra-hub: pull was not tried")
            return
        cache = {"HF_HUB_CACHE": str(self.dir / "cache")}
        folder = sutra("pull", "some-org/Tiny", "--from", MODEL, env=cache).decode().strip()
        self.assertTrue(folder.startswith(cache["HF_HUB_CACHE"]))
        facts = json.loads(sutra("pull", "some-org/Tiny", "--from", MODEL, "--json", env=cache))
        self.assertEqual((facts["path"], facts["received"]), (folder, 0))
        self.assertEqual(sutra("embed", "-m", "some-org/Tiny", "a", env=cache), embed("a"))
        mine, = [m for m in read_jsonl(sutra("list", "--json", env=cache)) if m["present"]]
        self.assertEqual((mine["name"], mine["path"]), ("some-org/Tiny", folder))
        self.assertIn("some-org/Tiny", sutra("list", env=cache).decode())
        self.assertEqual(json.loads(sutra("info", "--json", "some-org/Tiny", env=cache))["revision"], facts["revision"])
        # A revision other than main is found by that name only.
        other = sutra("pull", "some-org/Other", "--from", MODEL, "--revision", "v2/a", env=cache).decode().strip()
        sutra("embed", "-m", "some-org/Other", "a", env=cache, code=1, stderr="which has --revision v2/a; get it with")
        self.write("pairs.tsv", lines(["1\ta\tb", "2\ta\ta"]))
        named = ("-m", "some-org/Other", "--revision", "v2/a")
        for command, *rest in (("embed", "a"), ("tokenize", "a"), ("similarity", "a"), ("info", "--json"), ("verify",),
                               ("eval", "sts", self.dir / "pairs.tsv"), ("convert", "-o", self.dir / "x.sutra")):
            out = sutra(command, *named, *rest, env=cache)
            if command == "embed":
                self.assertEqual(out, embed("a"))
            if command == "info":
                self.assertEqual(json.loads(out)["path"], other)
        sutra("embed", "-m", MODEL, "--revision", "main", "a", env=cache, code=1, stderr="is a path")
        # The registry's digest holds, wherever the bytes come from.
        sutra("pull", "all-MiniLM-L6-v2", "--from", MODEL, env=cache, code=1, stderr="model.safetensors")

    def test_pull_of_an_encoder_in_a_folder(self):
        """As old versions of sentence-transformers wrote it."""
        if not HUB:
            print("built without libsutra-hub: pull was not tried")
            return
        cache = {"HF_HUB_CACHE": str(self.dir / "cache")}
        old = self.dir / "old"
        shutil.copytree(MODEL, old / "0_Transformer")
        shutil.move(old / "0_Transformer/1_Pooling", old / "1_Pooling")
        modules = json.loads((old / "0_Transformer/modules.json").read_text(encoding="utf-8"))
        (old / "0_Transformer/modules.json").unlink()
        modules[0]["path"] = "0_Transformer"
        (old / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
        facts = json.loads(sutra("pull", "some-org/Old", "--from", old, "--json", env=cache))
        self.assertEqual(sutra("embed", "-m", "some-org/Old", "a", env=cache), embed("a"))
        self.assertIn(facts["weights_sha256"],
                      json.loads(sutra("info", "--json", "some-org/Old", env=cache))["digest"])
        self.assertIn("some-org/Old", sutra("list", env=cache).decode())


if __name__ == "__main__":
    main()
