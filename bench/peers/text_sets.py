"""The texts that are measured: all distinct, cut from the shared passages to exact token counts. And those that are not
measured: for calibration, and the sentence pairs of an STS benchmark."""

import json
from pathlib import Path


def read_lines(path):
    """Lines end at \\n only."""
    return Path(path).read_bytes().decode().split("\n")[:-1]


def cut(tokenizer, lines, tokens, count, skip=0):
    """`count` distinct texts of exactly `tokens` tokens, special tokens included."""
    found = {}
    for line in lines[skip:]:
        encoded = tokenizer.encode(line)
        if len(encoded.ids) < tokens:
            continue
        end = encoded.offsets[tokens - 2][1]  # the last token before [SEP] takes this one's place
        text = line[:end]
        if len(tokenizer.encode(text).ids) == tokens:
            found[text] = None
        if len(found) == count:
            return list(found)
    raise SystemExit(f"only {len(found)} of {count} texts with {tokens} tokens")


class Row:
    """One kind of work. flops: of the encoder on exactly these tokens, none of them padding. sweep_file: some of the
    texts, an eighth but at least `least`, spread over all of them, for a first look at every batch size."""

    def __init__(self, name, texts, tokenizer, config, max_tokens, folder, least=128):
        if len(set(texts)) < len(texts):
            raise SystemExit(f"{name}: a text occurs twice")
        self.name, self.texts = name, texts
        self.lengths = [min(len(e.ids), max_tokens) for e in tokenizer.encode_batch(texts)]
        self.flops = sum(encoder_flops(config, n) for n in self.lengths)
        self.file = str(folder / f"{name}.json")
        Path(self.file).write_text(json.dumps(texts))
        self.sweep_file = str(folder / f"{name}, some.json")
        Path(self.sweep_file).write_text(json.dumps(texts[::max(1, min(8, len(texts) // least))]))


def encoder_flops(config, length):
    """Multiplications and additions of one text of `length` tokens: four projections, two feed-forward layers,
    scores and their product with the values."""
    hidden, ffn = config["hidden_size"], config["intermediate_size"]
    linear = 2 * length * (4 * hidden * hidden + 2 * hidden * ffn)
    attention = 4 * length * length * hidden
    return config["num_hidden_layers"] * (linear + attention)


CALIBRATION_TEXTS = 300


def calibration_texts(lines, measured):
    """The last lines, of which no measured text is the beginning."""
    free = [line for line in lines[-2 * CALIBRATION_TEXTS:] if not line.startswith(tuple(measured))]
    return free[-CALIBRATION_TEXTS:]


class SentencePairs:
    """Of a file of score, sentence, sentence after a header line. file: the first ones, then the second ones."""

    def __init__(self, path, folder):
        pairs = [line.split("\t") for line in read_lines(path)[1:]]
        self.scores = [float(pair[0]) for pair in pairs]
        self.file = str(folder / "sts.json")
        Path(self.file).write_text(json.dumps([pair[side] for side in (1, 2) for pair in pairs]))


def make_rows(model, passages, max_tokens, folder, small):
    """The rows; short queries; what a tokenizer alone is measured on. Writes calibration.json."""
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(f"{model}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config = json.loads(Path(model, "config.json").read_text())
    lines = read_lines(passages)
    scale = 8 if small else 1
    sets = [
        ("256 texts x 128 tokens", cut(tokenizer, lines, 128, 256 // scale)),
        ("1,024 texts x 16 tokens", cut(tokenizer, lines, 16, 1024 // scale)),
        ("2,000 passages", lines[:2000 // scale]),
    ]
    rows = [Row(name, texts, tokenizer, config, max_tokens, folder, 32 if small else 128) for name, texts in sets]
    queries = Row("queries", cut(tokenizer, lines, 11, 400 // scale, skip=10000), tokenizer, config, max_tokens, folder)
    calibration = calibration_texts(lines, [text for row in [*rows, queries] for text in row.texts])
    (folder / "calibration.json").write_text(json.dumps(calibration))
    return rows, queries, Row("tokenizer", lines[:16000 // scale], tokenizer, config, max_tokens, folder)
