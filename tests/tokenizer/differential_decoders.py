"""The decoders of differential.py: texts of random tokens must be those of the reference."""

import itertools
import json
import struct
import subprocess

from tokenizers import Tokenizer

SPECIAL = ["<s>", "</s>", "[UNK]"]
ALPHABET = [chr(c) for c in itertools.chain(range(0x21, 0x7f), range(0xa1, 0xad), range(0xae, 0x144))]
TOKENS = ["a", "b", "hello", "##ing", "##", "#", "world", ".", "?", "!", ",", "'", "n't", "'m", "'s", "'ve", "'re", "do", "not", "do not", " ' ",
          " .", " ", "  ", "", "\u2581", "\u2581the", "\u2581\u2581x", "x\u2581y", "end</w>", "</w>", "a</w>b</w>", "\u0120river",
          "\u0120", "\u00c3\u00a9", "\u00e6\u0139", "\u00a5", "\u00f0\u0141", "\u013a", "\u00ed\u0142", "\u65e5\u672c", "\U0001f600",
          "h\u00e9", "<0x41>", "<0xE6>", "<0x97>", "<0xa5>", "<0xF0>", "<0x9F>", "<0xGG>", "<0x4>", "<0x20>", "xx", "xax", "12", "7", "_a_",
          "__", "e\u0301", "\n"]


def replace(kind, pattern, content):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def sequence(*steps):
    return {"type": "Sequence", "decoders": list(steps)}


METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
SPACES = replace("String", "\u2581", " ")
FALLBACK, FUSE = {"type": "ByteFallback"}, {"type": "Fuse"}
BYTES = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
DECODERS = {
    "none": None,
    "WordPiece": {"type": "WordPiece", "prefix": "##", "cleanup": True},
    "WordPiece, no cleanup": {"type": "WordPiece", "prefix": "##", "cleanup": False},
    "WordPiece, no prefix": {"type": "WordPiece", "prefix": "", "cleanup": True},
    "ByteLevel": BYTES,
    "Metaspace": METASPACE,
    "Metaspace, first": {**METASPACE, "prepend_scheme": "first"},
    "Metaspace, never": {**METASPACE, "prepend_scheme": "never"},
    "Metaspace, other": {**METASPACE, "replacement": "_"},
    "BPEDecoder": {"type": "BPEDecoder", "suffix": "</w>"},
    "ByteFallback": FALLBACK,
    "Fuse": FUSE,
    "Replace": SPACES,
    "Replace, an expression": replace("Regex", "x+|[0-9]", "-"),
    "Replace, shrinking": replace("String", "x", ""),
    "Llama": sequence(SPACES, FALLBACK, FUSE, {"type": "Strip", "content": " ", "start": 1, "stop": 0}),
    "Gemma": sequence(SPACES, FALLBACK, FUSE),
    "Strip": sequence({"type": "Strip", "content": "_", "start": 1, "stop": 0}),
    "Strip, fused": sequence(FUSE, {"type": "Strip", "content": "a", "start": 2, "stop": 0}),
    "Sequence of nothing": sequence(),
    "ByteLevel, Replace": sequence(BYTES, replace("String", " ", "_"), FUSE),
    "Metaspace, WordPiece": sequence(METASPACE, {"type": "WordPiece", "prefix": "##", "cleanup": True}),
}


def random_rows(rng, size):
    rows = [[], [0], [size + 5], [3, size + 5, 4]] + [[i] for i in range(size)]
    return rows + [[rng.randrange(size) for _ in range(rng.randint(1, 12))] for _ in range(3000)]


def all_cases(check, rng, string):
    tokens = list(dict.fromkeys([*SPECIAL, *TOKENS, *ALPHABET]))
    added = [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
              "special": i < 2} for i, t in enumerate(SPECIAL)]
    for name, decoder in DECODERS.items():
        description = json.dumps({
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": None, "post_processor": None, "decoder": decoder,
            "model": {"type": "WordLevel", "vocab": {t: i for i, t in enumerate(tokens)}, "unk_token": "[UNK]"}})
        reference, rows = Tokenizer.from_str(description), random_rows(rng, len(tokens))
        for skip, kind in itertools.product((True, False), (b"J", b"I")):
            request = kind + string(description.encode()) + b"".join(
                b"D" + struct.pack(f"<{2 + len(row)}I", skip, len(row), *row) for row in rows)
            data = subprocess.run([check.program], input=request, stdout=subprocess.PIPE, check=True).stdout
            at = 8 + struct.unpack_from("<I", data, 4)[0]
            check.inputs += len(rows)
            for row in rows:
                status, size = struct.unpack_from("<II", data, at)
                ours, at = data[at + 8:at + 8 + size].decode("utf-8", "surrogateescape"), at + 8 + size
                theirs = reference.decode(row, skip_special_tokens=skip)
                if status or ours != theirs:
                    check.failures += 1
                    print(f"FAILED decoder {name}, skip {skip}, {kind}: {[tokens[i:i + 1] for i in row]}\n  ours      {ours!r}\n"
                          f"  reference {theirs!r}")
                    break
