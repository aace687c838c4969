#!/usr/bin/env python3
"""Tokenizer classes that transformers builds anew beside ours: ids and offsets must be equal.

    python tests/tokenizer/differential_classes.py --program build/release/tokenizer_dump

needs transformers 5.24, sentencepiece and protobuf. Vocabularies are trained here; the switches of
tokenizer_config.json, added tokens and the sections that a class does not take from tokenizer.json vary.
"""
import argparse
import json
import os
import random
import sys
import tempfile

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import sentencepiece  # noqa: E402
import transformers  # noqa: E402
from sentencepiece import sentencepiece_model_pb2  # noqa: E402
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers  # noqa: E402

import differential  # noqa: E402

BYTE_NAMES = ["<|endoftext|>", "<|im_start|>"]
S_NAMES = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<s>", "</s>"]


def byte_bpe(texts):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1500, special_tokens=BYTE_NAMES, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return json.loads(tokenizer.to_str())


def character_bpe(texts, with_bytes):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    names = S_NAMES + [f"<0x{b:02X}>" for b in range(256) if with_bytes or b % 3]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=1800, limit_alphabet=150, special_tokens=names, show_progress=False))
    made = json.loads(tokenizer.to_str())
    made["added_tokens"] = made["added_tokens"][:len(S_NAMES)]
    return made


def template(first, last, made):
    ids = made["model"]["vocab"]
    piece = [{"SpecialToken": {"id": first, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
             {"SpecialToken": {"id": last, "type_id": 0}}]
    return {"type": "TemplateProcessing", "single": piece,
            "pair": piece + [{"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": last, "type_id": 1}}],
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in (first, last)}}


def configs(rng, names):
    """Switches of tokenizer_config.json, each class's own among them."""
    made = {}
    for key in ("add_prefix_space", "legacy", "add_bos_token", "add_eos_token"):
        value = rng.choice((None, None, True, False, "null"))
        if value is not None:
            made[key] = None if value == "null" else value
    for key in ("bos_token", "eos_token", "unk_token", "pad_token", "mask_token"):
        value = rng.choice((None, None, None, "null", rng.choice(names), "<new>", {
            "__type": "AddedToken", "content": rng.choice(names + ["<other>"]), "lstrip": rng.random() < 0.5,
            "rstrip": rng.random() < 0.5, "normalized": rng.random() < 0.5, "single_word": False, "special": True}))
        if value is not None:
            made[key] = None if value == "null" else value
    if rng.random() < 0.3:
        made["extra_special_tokens"] = ["<extra>", "river"]
    if rng.random() < 0.2:
        made["split_special_tokens"] = True
    return made


class Run:
    def __init__(self, program):
        self.program, self.failures, self.inputs, self.cases, self.refused = program, 0, 0, 0, 0

    def reference(self, name, folder):
        return getattr(transformers, name).from_pretrained(folder)

    def case(self, name, files, texts, folder, pieces=b""):
        """files: names of a folder's files and their contents; pieces: a SentencePiece model."""
        tokenizer = self.reference(name, folder)._tokenizer
        tokenizer.no_padding()
        requests = [differential.Request(t) for t in texts]
        requests += [differential.Request(a, b) for a, b in zip(texts[::7], texts[3::7])]
        requests += [differential.Request(t, None, 9, i % 2 == 0) for i, t in enumerate(texts[::9])]
        try:
            expected = differential.run_reference(tokenizer, requests)
        except Exception as error:  # a text that needs an unknown token which the vocabulary lacks
            self.refused += 1
            if not str(error).startswith("Unk token"):
                raise
            return
        data = json.dumps({"class": name, **files}, ensure_ascii=False).encode() + (b"\0" + pieces if pieces else b"")
        built = differential.Answers(differential.ask_ours(self.program, b"F" + differential.string(data), [], 0)).message()
        if built[0] and "but the vocabulary makes it" in built[1]:  # the reference passes over the id
            self.refused += 1
            return
        if built[0]:
            self.failures += 1
            print(f"FAILED {name} {files.get('config')}: not built: {built[1]}")
            return
        answers = differential.ask_ours(self.program, b"F" + differential.string(data), requests, differential.OFFSETS)
        self.cases += 1
        self.inputs += len(requests)
        for request, ours, theirs in zip(requests, differential.read_ours(answers, requests, differential.OFFSETS), expected):
            # The class hands no type ids to the encoder, and ours has none.
            if (ours[0], ours[2], ours[3]) == (theirs[0], theirs[2], theirs[3]):
                continue
            self.failures += 1
            print(f"FAILED {name} {files.get('config')}: {request}\n  ours      {ours}\n  reference {theirs}")
            break


def write(folder, name, content):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False)


def json_cases(run, rng, texts, training, count):
    kinds = {"GPT2Tokenizer": [byte_bpe(training)], "LlamaTokenizer": [character_bpe(training, b) for b in (True, False)]}
    kinds["Qwen2Tokenizer"], kinds["GemmaTokenizer"] = kinds["GPT2Tokenizer"], kinds["LlamaTokenizer"]
    for number in range(count):
        for name, made in kinds.items():
            made = dict(rng.choice(made))
            names = [t["content"] for t in made["added_tokens"]]
            made["post_processor"] = rng.choice((None, template(names[0], names[1], made), {
                "type": "ByteLevel", "add_prefix_space": rng.random() < 0.5, "trim_offsets": rng.random() < 0.7,
                "use_regex": True}))
            made["added_tokens"] = rng.choice((made["added_tokens"], made["added_tokens"][:1], []))
            made["normalizer"] = rng.choice((None, {"type": "Lowercase"}))
            files = {"tokenizer": made, "config": configs(rng, names)}
            if name == "GPT2Tokenizer" and files["config"].get("add_prefix_space", 0) is None:
                del files["config"]["add_prefix_space"]  # the class refuses a null
            with tempfile.TemporaryDirectory() as folder:
                write(folder, "tokenizer.json", made)
                write(folder, "tokenizer_config.json", files["config"])
                run.case(name, files, rng.sample(texts, 150), folder)


def piece_models(training):
    """Models that SentencePiece trains, each of other options."""
    options = [
        {"model_type": "unigram", "user_defined_symbols": ["river", "<sep>", "\u2581the\u2581"], "control_symbols": ["<ctl>"]},
        {"model_type": "unigram", "byte_fallback": True, "normalization_rule_name": "identity"},
        {"model_type": "unigram", "normalization_rule_name": "nfkc_cf", "add_dummy_prefix": False,
         "remove_extra_whitespaces": False},
        {"model_type": "bpe", "normalization_rule_name": "nmt_nfkc"},
        {"model_type": "unigram", "pad_id": 3, "unk_id": 0, "bos_id": 1, "eos_id": 2, "normalization_rule_name": "nmt_nfkc_cf"},
        {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False,
         "control_symbols": ["<ctl>", "the"], "split_digits": True, "bos_id": -1, "pad_id": 1},
        {"model_type": "bpe", "byte_fallback": True, "user_defined_symbols": ["river", "<sep>", "a-b#c", "rivers", "\n"],
         "add_dummy_prefix": False, "allow_whitespace_only_pieces": True, "unk_piece": "[UNK]"},
        {"model_type": "bpe", "user_defined_symbols": ["in", "^$.*"], "treat_whitespace_as_suffix": True, "eos_piece": "[END]"},
    ]
    for more in options:
        with tempfile.TemporaryDirectory() as folder:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(training), model_prefix=os.path.join(folder, "m"), vocab_size=2200, minloglevel=2, character_coverage=0.99,
                hard_vocab_limit=False, num_threads=1, **more)
            with open(os.path.join(folder, "m.model"), "rb") as file:
                yield file.read(), more["model_type"] == "unigram"


def change_spec(rng, data):
    """The model with options of its normaliser that training has no switch for."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(data)
    spec = proto.normalizer_spec
    spec.escape_whitespaces = rng.random() < 0.7
    if rng.random() < 0.5:
        spec.add_dummy_prefix = rng.random() < 0.5
        spec.remove_extra_whitespaces = rng.random() < 0.5
    return proto.SerializeToString()


def declared(rng, names):
    """Two tokens with ids of pieces, which the generic class renames."""
    texts = rng.sample(names[:3] + ["<new>", "<r1>", "<r2>", "<r3>", "\u2581the"], 2)
    return {str(id): {"content": text, "lstrip": rng.random() < 0.3, "rstrip": rng.random() < 0.3, "normalized": rng.random() < 0.5,
                      "single_word": False, "special": rng.random() < 0.5}
            for id, text in zip(rng.sample((0, 1, 2, 3, 7, 40, 300), 2), texts)}


def piece_case(run, rng, texts, name, pieces):
    names = ["<s>", "</s>", "<unk>", "<pad>", "<mask>", "<ctl>", "river"]
    config = configs(rng, names)
    of_fairseq = name in ("XLMRobertaTokenizer", "CamembertTokenizer")
    if of_fairseq and config.get("add_prefix_space", 0) is None:
        del config["add_prefix_space"]
    for key in ("bos_token", "eos_token") if of_fairseq else ():  # the classes need them
        if config.get(key, 0) is None:
            del config[key]
    files = {"config": config}
    if rng.random() < 0.3:
        files["special_tokens_map"] = {"additional_special_tokens": ["the", "<sep>"]}
    if name == "PreTrainedTokenizerFast" and rng.random() < 0.3:
        config["added_tokens_decoder"] = declared(rng, names)
    elif name == "PreTrainedTokenizerFast" and rng.random() < 0.3:
        files["added_tokens"] = {"<r1>": 5, "<r2>": 900}
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "sentencepiece.bpe.model" if of_fairseq else "tokenizer.model"), "wb") as file:
            file.write(pieces)
        for key, content in files.items():
            write(folder, ("tokenizer_config" if key == "config" else key) + ".json", content)
        run.case(name, files, rng.sample(texts, 150), folder, pieces)


def piece_cases(run, rng, texts, training, count):
    for pieces, unigram in piece_models(training):
        for number in range(count):
            first = ("XLMRobertaTokenizer", "CamembertTokenizer") if unigram else ("XLMRobertaTokenizer",)
            piece_case(run, rng, texts, rng.choice(first), pieces)
            for name in ("LlamaTokenizer", "GemmaTokenizer", "PreTrainedTokenizerFast"):
                piece_case(run, rng, texts, name, change_spec(rng, pieces))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=20, help="folders a class")
    arguments = parser.parse_args()
    if not transformers.__version__.startswith("5.24."):
        sys.exit(f"differential_classes: transformers {transformers.__version__} is installed; the reference is 5.24")
    rng, run = random.Random(arguments.seed), Run(arguments.program)
    training = differential.shared_lines("passages.txt")[:2000] + differential.shared_lines("tokenizer-inputs.txt")
    texts = [differential.random_text(rng, rng.choice((5, 30, 100))) for _ in range(600)] + training[::3]
    tokens = BYTE_NAMES + S_NAMES + ["<new>", "<other>", "<extra>", "river", " ", "  ", "\u2581"]
    texts += ["".join(rng.choice(tokens + [rng.choice(texts)[:9]]) for _ in range(rng.randint(1, 7))) for _ in range(600)]
    json_cases(run, rng, texts, training, arguments.cases)
    piece_cases(run, rng, texts, training[:2000], arguments.cases)
    print(f"differential_classes: {run.cases} folders, {run.inputs} inputs, {run.failures} failures, "
          f"{run.refused} folders that one of the two refuses")
    sys.exit(1 if run.failures or not run.inputs else 0)


if __name__ == "__main__":
    main()
