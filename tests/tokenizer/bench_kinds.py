#!/usr/bin/env python3
"""Each kind of tokenizer beside the reference library: one thread each, round by round in turns.

    python tests/tokenizer/bench_kinds.py --program build/release/bench_tokenizer --folder build/kinds [--kinds A,B] FILE...

FILE: texts, one a line; of a .tsv all columns but the first, which is a score. Vocabularies are trained on every second of
them, those of SentencePiece by the package sentencepiece, and stay in the folder: what is there is not trained again. With --model its
tokenizer.json is the kind "wordpiece". Prints a Markdown table; ours against encode_batch_fast without offsets, against
encode_batch with them; medians of rounds. Ids and offsets are compared elsewhere (differential.py), their number here.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["RAYON_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import differential_unigram  # noqa: E402
import tokenizers  # noqa: E402
from differential_kinds import METASPACE, file_of, metaspace, replace, sequence  # noqa: E402
from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: E402

QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
NAMES = ["<unk>", "<s>", "</s>", "<pad>", "<bos>", "<eos>", "<mask>"]


# ---- stand-ins ----

def regex(pattern, content):
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def byte_bpe(texts):
    words = sequence("pre_tokenizer", {"type": "Split", "pattern": {"Regex": QWEN}, "behavior": "Isolated", "invert": False},
                     {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False})
    tokenizer = Tokenizer.from_str(json.dumps(file_of({"type": "BPE", "vocab": {}, "merges": []}, pre_tokenizer=words)))
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=150000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    made = json.loads(tokenizer.to_str())
    made["normalizer"] = {"type": "NFC"}
    return made


def character_bpe(texts, size):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # as SentencePiece cuts what it learns from
        [pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits(individual_digits=True)])
    names = NAMES + [f"<0x{b:02X}>" for b in range(256)]
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=size, limit_alphabet=6000, special_tokens=names, show_progress=False))
    made = json.loads(tokenizer.to_str())
    made["added_tokens"] = made["added_tokens"][:len(NAMES)]
    return made


def llama(texts):
    return {**character_bpe(texts, 32000), "pre_tokenizer": metaspace("first", False)}


def gemma(texts):
    split = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    return {**character_bpe(texts, 256000), "normalizer": replace(" ", METASPACE), "pre_tokenizer": split}


def xlm_roberta(texts):
    vocab, blob = differential_unigram.sentencepiece_model(texts, "nmt_nfkc", 250000, seed_sentencepiece_size=2000000)
    return differential_unigram.as_converted(vocab, blob, "old")


def generic_steps(blob):
    """What transformers 5.24 makes of the normaliser of a SentencePiece model, and of its words."""
    steps = [differential_unigram.precompiled(blob), regex(r"\A +| +\z", ""), regex(" {2,}", " "), replace(" ", METASPACE),
             regex(r"\A" + METASPACE, METASPACE * 2)]
    return {"normalizer": sequence("normalizer", *steps), "pre_tokenizer": sequence("pre_tokenizer", metaspace("always", False))}


def generic_unigram(texts):
    vocab, blob = differential_unigram.sentencepiece_model(texts, "nmt_nfkc", 32000)
    return file_of({"type": "Unigram", "unk_id": 0, "vocab": vocab, "byte_fallback": False}, **generic_steps(blob))


def generic_bpe(texts):
    blob = differential_unigram.sentencepiece_model(texts[::50], "nmt_nfkc", 2000)[1]
    return {**character_bpe(texts, 32000), **generic_steps(blob)}


KINDS = {"byte-bpe": byte_bpe, "llama": llama, "gemma": gemma, "xlm-roberta": xlm_roberta, "generic-unigram": generic_unigram,
         "generic-bpe": generic_bpe}


# ---- measuring ----

def ours(program, tokenizer, path, seconds):
    """M tokens/s: (ids, with offsets), and the number of tokens."""
    out = subprocess.run([program, tokenizer, path, str(seconds)], stdout=subprocess.PIPE, check=True, text=True).stdout
    found = re.findall(r"([\d.]+) M tokens/s \((\d+) tokens", out)
    return [float(rate) for rate, _ in found], int(found[0][1])


def theirs(tokenizer, lines):
    rates, count = [], 0
    for name in ("encode_batch_fast", "encode_batch"):
        start = time.process_time()
        encodings = getattr(tokenizer, name)(lines)
        seconds = time.process_time() - start
        count = sum(len(e) for e in encodings)
        rates.append(count / seconds / 1e6)
    return rates, count


def texts_of(path):
    with open(path, "rb") as file:
        lines = file.read().decode().split("\n")
    if path.endswith(".tsv"):
        lines = [column for line in lines[1:] for column in line.split("\t")[1:]]
    return [line for line in lines if line]


def compare(kind, json_path, name, lines, arguments, folder):
    path = os.path.join(folder, "texts")
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n".join(lines) + "\n")
    megabytes = os.path.getsize(path) / 1e6
    tokenizer = Tokenizer.from_file(json_path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rounds = []
    for _ in range(arguments.rounds):
        mine, count = ours(arguments.program, json_path, path, arguments.seconds)
        other, their_count = theirs(tokenizer, lines)
        if count != their_count:
            sys.exit(f"bench_kinds: {kind}, {name}: {count} tokens, of the reference {their_count}")
        rounds.append([rate * megabytes / (count / 1e6) for rate in mine + other])
    ids, offsets, fast, batch = (statistics.median(column) for column in zip(*rounds))
    ratio, with_offsets = (statistics.median(r[i] / r[i + 2] for r in rounds) for i in (0, 1))
    print(f"| {kind} | {tokenizer.get_vocab_size():,} | {name} | {ids:.1f} | {fast:.2f} | {ratio:.1f} | {offsets:.1f} | {batch:.2f} | "
          f"{with_offsets:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--model", help="a tokenizer.json of WordPiece")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("files", nargs="+", metavar="FILE")
    arguments = parser.parse_args()
    files = {}
    for path in arguments.files:
        name = "*.tsv" if path.endswith(".tsv") else os.path.basename(path)
        files[name] = files.get(name, []) + texts_of(path)
    paths = {"wordpiece": arguments.model} if arguments.model else {}
    os.makedirs(arguments.folder, exist_ok=True)
    for kind in arguments.kinds.split(","):
        paths[kind] = os.path.join(arguments.folder, kind + ".json")
        if os.path.exists(paths[kind]):
            continue
        made = KINDS[kind]([text.replace("\0", "") for texts in files.values() for text in texts[::2]])
        with open(paths[kind], "w", encoding="utf-8") as file:
            json.dump(made, file, ensure_ascii=False)
    print(f"tokenizers {tokenizers.__version__}, MB/s on one core, medians of {arguments.rounds} rounds\n")
    print("| kind | tokens | texts | ids | encode_batch_fast | ratio | with offsets | encode_batch | ratio |\n" + "|---" * 9 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for kind, path in paths.items():
            for name, lines in files.items():
                compare(kind, path, name, lines, arguments, folder)


if __name__ == "__main__":
    main()
