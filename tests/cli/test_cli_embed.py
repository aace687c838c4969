#!/usr/bin/env python3
"""sutra embed: ways to give texts, options, environment. Failures have a table of their own, errors.tsv."""

import gzip
import json
import math
import os
import pty
import re
import select
import shutil
import struct
import subprocess
from pathlib import Path

from cli_case import MODEL, PROGRAM, TEXTS, Base, as_f32, embed, lines, main, read_jsonl, read_npy, sutra


def zstd_stored(data):
    """A frame of RFC 8878 whose blocks are stored: no compressor is needed to make it."""
    frame = b"\x28\xb5\x2f\xfd" + b"\xa0" + struct.pack("<I", len(data))  # one segment, its size in four bytes
    blocks = [data[i:i + 65536] for i in range(0, len(data), 65536)] or [b""]
    for i, block in enumerate(blocks):
        frame += struct.pack("<I", len(block) << 3 | (i == len(blocks) - 1))[:3] + block
    return frame


class Inputs(Base):
    def test_all_ways_give_the_same(self):
        expected = embed(*TEXTS)
        source = self.write("texts.txt", lines(TEXTS))
        records = self.write("texts.jsonl", lines(json.dumps({"id": 1, "body": t}) for t in TEXTS))
        self.assertEqual(embed("-i", source), expected)
        self.assertEqual(embed("-i", "-", stdin=lines(TEXTS)), expected)
        self.assertEqual(embed(stdin=lines(TEXTS)), expected)
        self.assertEqual(embed(stdin=lines(TEXTS)[:-1]), expected)
        self.assertEqual(embed("-i", records, "--field", "body"), expected)
        self.assertEqual(embed("--field=body", stdin=records.read_bytes()), expected)

    def test_packed_input(self):
        texts = [f"{'garden ' * (i % 7)}music {i}" for i in range(3000)]
        expected, data = embed("-i", self.write("a.txt", lines(texts))), lines(texts)
        cut = 12345
        for name, packed in (("whole.gz", gzip.compress(data)),
                             ("no-ending", gzip.compress(data[:cut]) + gzip.compress(b"") + gzip.compress(data[cut:])),
                             ("padded.txt", gzip.compress(data) + bytes(512)),
                             ("stored.zst", zstd_stored(data[:cut]) + zstd_stored(data[cut:])),
                             ("both", zstd_stored(data[:cut]) + gzip.compress(data[cut:]))):
            source = self.write(name, packed)
            self.assertEqual(embed("-i", source), expected, name)
            self.assertEqual(embed(stdin=packed), expected, name)
        records = gzip.compress(lines(json.dumps({"body": t}) for t in TEXTS))
        self.assertEqual(embed("--field", "body", stdin=records), embed(*TEXTS))
        self.assertEqual(sutra("tokenize", "-m", MODEL, stdin=gzip.compress(data)),
                         sutra("tokenize", "-m", MODEL, stdin=data))

    def test_a_packed_input_that_is_cut_off(self):
        texts = [f"music {i}" for i in range(6000)]
        packed = gzip.compress(lines(texts))
        rows = read_jsonl(embed(stdin=packed[:-1], code=1, stderr=(
            r"^sutra: standard input:6001: the gzip data end in the middle of a member: the input is cut off; what comes "
            r"before this line could be read; the vectors of the first \d+ texts are written\n$")))
        self.assertGreater(len(rows), 0)
        self.assertEqual(rows, read_jsonl(embed(stdin=lines(texts)))[:len(rows)])
        embed("-o", self.dir / "x.npy", stdin=packed[:-1], code=1, stderr=r"could be read; nothing is written\n$")
        self.assertEqual(os.listdir(self.dir), [])

    def test_rows_are_in_order_and_independent(self):
        texts = [f"{'garden ' * (i * 7 % 23)}{'music' if i % 3 else 'water'}" for i in range(300)]
        together = self.vectors("-i", self.write("a.txt", lines(texts)))
        backwards = self.vectors("-i", self.write("b.txt", lines(texts[::-1])), "--threads", "1")
        self.assertEqual(as_f32(backwards[::-1]), as_f32(together))
        for i in (0, 1, 150, 299):
            self.assertEqual(as_f32(self.vectors(texts[i])), as_f32([together[i]]))

    def test_more_texts_than_a_block(self):
        texts = [f"water {i}" for i in range(9000)]
        data = embed("-i", self.write("a.txt", lines(texts)))
        rows = read_jsonl(data)
        self.assertEqual([row["index"] for row in rows], list(range(9000)))
        for i in (0, 4095, 4096, 8999):
            self.assertEqual(rows[i]["embedding"], read_jsonl(embed(texts[i]))[0]["embedding"])

    def test_only_line_feed_ends_a_line(self):
        odd = "a\u2028b\u2029c\u0085d\u000be\u000cf\rg\x1ch\x00i"
        rows = read_jsonl(embed("-i", self.write("a.txt", f"{odd}\nnext\r\n")))
        self.assertEqual(len(rows), 2)
        again = read_jsonl(embed("--field", "t", stdin=json.dumps({"t": odd})))
        self.assertEqual(rows[0], again[0])

    def test_a_slow_writer_is_answered(self):
        with subprocess.Popen([PROGRAM, "embed", "-m", MODEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            for i in range(3):
                run.stdin.write(f"water {i}\n".encode())
                run.stdin.flush()
                self.assertTrue(select.select([run.stdout], [], [], 60)[0], "no answer")
                self.assertEqual(json.loads(run.stdout.readline())["index"], i)
            run.stdin.close()
            self.assertEqual(run.wait(), 0)


class Streams(Base):
    def stream(self, text, *args):
        return read_jsonl(embed("--stream", *args, stdin=text))

    def test_chunks_are_those_of_the_text_and_have_its_vectors(self):
        text = "".join(f"A green gärden, {i} nights. The music is new.\n\n" for i in range(200)).encode()
        for args in ((), ("--chunk-tokens", "20"), ("--chunk", "sentences", "--chunk-tokens", "24", "--chunk-overlap", "8"),
                     ("--chunk", "paragraphs", "--dim", "8", "--output-dtype", "int8")):
            rows = self.stream(text, *args)
            parts = [text[row["begin"]:row["end"]] for row in rows]
            self.assertEqual([row["chunk"] for row in rows], list(range(len(rows))))
            self.assertTrue(all(part == part.strip() and part.decode() for part in parts))
            if "--chunk-overlap" not in args:
                self.assertEqual(b" ".join(parts).split(), text.split())
            options = args[args.index("--dim"):] if "--dim" in args else ()
            texts = [" ".join(part.decode().split()) for part in parts]
            alone = read_jsonl(embed(*options, stdin=lines(texts)))
            self.assertEqual([(row["tokens"], row["embedding"]) for row in rows],
                             [(row["tokens"], row["embedding"]) for row in alone])
            self.assertEqual(self.stream(gzip.compress(text), *args), rows)
        target = self.dir / "x"
        self.assertEqual(embed("--stream", "-i", self.write("a.txt", text), "-o", target), b"")
        self.assertEqual(read_jsonl(target.read_bytes()), self.stream(text))

    def test_the_aggregate_is_the_last_line(self):
        text = b"The music is new. " * 60
        *rows, last = self.stream(text, "--chunk-tokens", "16", "--aggregate", "max", "--no-normalize")
        self.assertEqual(rows, self.stream(text, "--chunk-tokens", "16", "--no-normalize"))
        self.assertEqual((last["aggregate"], last["chunks"], last["tokens"]),
                         ("max", len(rows), sum(row["tokens"] for row in rows)))
        one, whole = self.stream(b"The music is new.", "--aggregate", "mean")
        self.assertEqual(len(whole["embedding"]), len(one["embedding"]))
        self.assertEqual(embed("--stream", stdin=b" \n"), b"")

    def test_a_chunk_comes_before_the_text_ends(self):
        with subprocess.Popen([PROGRAM, "embed", "-m", MODEL, "--stream", "--chunk-tokens", "16"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as run:
            text = b"The music is new. " * 200
            for i in range(0, len(text), 7):
                run.stdin.write(text[i:i + 7])
                run.stdin.flush()
            self.assertTrue(select.select([run.stdout], [], [], 60)[0], "no chunk")
            self.assertEqual(json.loads(run.stdout.readline())["chunk"], 0)
            run.stdin.close()
            self.assertEqual(len(run.stdout.read().splitlines()) + 1, len(self.stream(text, "--chunk-tokens", "16")))
            self.assertEqual(run.wait(), 0)

    def test_silence_ends_a_text(self):
        """What came before a silence, and what after it, are cut alone; bytes are counted on."""
        first, second = b"The music is new. A gr\xc3\xa4", b" garden, and water."
        for pack in (bytes, gzip.compress):
            with subprocess.Popen([PROGRAM, "embed", "-m", MODEL, "--stream", "--flush-after", "1", "--aggregate", "mean"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
                run.stdin.write(pack(first))
                run.stdin.flush()
                self.assertTrue(select.select([run.stdout], [], [], 60)[0], "no chunk")
                rows = read_jsonl(run.stdout.readline())
                run.stdin.write(pack(second))
                run.stdin.close()
                rows += read_jsonl(run.stdout.read())
                self.assertEqual(run.wait(), 0)
            self.assertEqual([(row["begin"], row["end"]) for row in rows[:2]],
                             [(0, len(first)), (len(first) + 1, len(first) + len(second))])
            self.assertEqual([row["embedding"] for row in rows[:2]],
                             [self.stream(text)[0]["embedding"] for text in (first, second)])
            self.assertEqual(rows[2]["chunks"], 2)
        path = self.write("a.txt", first + second)
        self.assertEqual(read_jsonl(embed("--stream", "--flush-after", "1", "-i", path)), self.stream(first + second))

    def test_chunks_before_a_failure_are_written(self):
        text = b"The music is new. " * 200
        rows = read_jsonl(embed("--stream", "--chunk-tokens", "16", stdin=text + b"\xff" + text, code=1, stderr=(
            rf"^sutra: standard input: text is not valid UTF-8 at byte {len(text)}\n$")))
        self.assertGreater(len(rows), 0)
        self.assertEqual(rows, self.stream(text, "--chunk-tokens", "16")[:len(rows)])


class Options(Base):
    def test_dim(self):
        whole, short = self.vectors("--no-normalize", "a green garden"), self.vectors("--dim", "8", "a green garden")
        self.assertEqual(len(short[0]), 8)
        length = math.sqrt(sum(x * x for x in whole[0][:8]))
        for a, b in zip(whole[0], short[0]):
            self.assertAlmostEqual(a / length, b, delta=1e-6)

    def test_normalize(self):
        """The model's own Normalize always runs, before a cut; --no-normalize leaves out what comes after it."""
        unit, same = self.vectors("a green garden")[0], self.vectors("--no-normalize", "a green garden")[0]
        self.assertAlmostEqual(math.hypot(*unit), 1, delta=1e-6)
        self.assertEqual(unit, same)
        cut = self.vectors("--no-normalize", "--dim", "8", "a green garden")[0]
        for a, b in zip(unit[:8], cut, strict=True):
            self.assertAlmostEqual(a, b, delta=1e-7)
        again = self.vectors("--dim", "8", "a green garden")[0]
        self.assertAlmostEqual(math.hypot(*again), 1, delta=1e-6)
        self.assertAlmostEqual(cut[0] / math.hypot(*cut), again[0], delta=1e-6)

    def test_poolings_differ(self):
        seen = {str(self.vectors("--pooling", name, "a green garden"))
                for name in ("cls", "mean", "max", "mean-sqrt", "weighted-mean", "last", "mean")}
        # Normalised, mean-sqrt is mean but for rounding.
        self.assertGreaterEqual(len(seen), 5)

    def test_truncation_is_reported_once(self):
        texts = ["a", "a green garden of stone", "the house is over the river at night"]
        data = embed("--max-tokens", "4", *texts,
                     stderr=r"^sutra: warning: 2 of 3 texts were truncated to 4 tokens \(the longest has \d+\)\n$")
        rows = read_jsonl(data)
        self.assertEqual([row["truncated"] for row in rows], [False, True, True])
        self.assertEqual([row["tokens"] for row in rows], [3, 4, 4])
        embed("--max-tokens", "4", "--long-text", "error", *texts, code=1, stderr="^sutra: text 2: .* more than 4\n$")
        self.assertEqual(embed("--max-tokens", "4", "--long-text", "truncate", "a"), embed("a"))

    def test_windows(self):
        text = "the house is over the river at night"
        window = ("--long-text", "window", "--max-tokens", "5")
        said = r"^sutra: 1 of 1 texts became windows of 5 tokens \(the longest text has 10\)\n$"
        row = read_jsonl(embed(*window, text, stderr=said))[0]
        self.assertEqual(list(row), ["index", "embedding", "tokens", "truncated", "windows"])
        self.assertEqual((row["tokens"], row["windows"], row["truncated"]), (14, 3, False))
        self.assertEqual(embed(*window, "a"), embed("a"))
        # by hand: windows of three words, one of them shared
        parts = ["the house is", "is over the", "the river at", "at night"]
        vectors = [r["embedding"] for r in read_jsonl(embed(*parts))]
        mean = [sum(column) for column in zip(*vectors)]
        length = sum(x * x for x in mean) ** 0.5
        row = read_jsonl(embed(*window, "--window-overlap", "1", text, stderr=said))[0]
        self.assertEqual(row["windows"], 4)
        for ours, expected in zip(row["embedding"], mean):
            self.assertAlmostEqual(ours, expected / length, delta=1e-6)
        seen = {embed(*window, "--window-overlap", "2", "--aggregate", how, text, stderr=said)
                for how in ("mean", "max", "length", "center", "last")}
        self.assertGreaterEqual(len(seen), 4)  # windows of one length: length is mean
        self.assertEqual(embed(*window, "--window-overlap", "0", text, stderr=said), embed(*window, text, stderr=said))
        facts = json.loads(embed(*window, "--json", "-o", self.dir / "x.npy", text, stderr=said))
        self.assertEqual((facts["windowed"], facts["truncated"]), (1, 0))

    def test_prompts(self):
        model = self.dir / "with-prompts"
        shutil.copytree(MODEL, model)
        prompts = {"query": "the green ", "document": "stone "}
        self.write("with-prompts/config_sentence_transformers.json",
                   json.dumps({"prompts": prompts, "default_prompt_name": "document"}))

        def rows(*args):
            return read_npy(sutra("embed", "-m", model, "--format", "npy", *args))[0]

        self.assertEqual(rows("--prompt-name", "query", "water"), self.vectors("the green water"))
        self.assertEqual(rows("water"), self.vectors("stone water"))
        self.assertEqual(rows("--prompt-name", "", "water"), self.vectors("water"))
        facts = json.loads(sutra("info", "--json", model))
        self.assertEqual((facts["prompts"], facts["default_prompt"]), (prompts, "document"))
        pairs = self.write("sts.tsv", "".join(f"{i}\t{a}\t{b}\n" for i, (a, b) in enumerate(
            [("water", "night"), ("music", "house"), ("river", "river water"), ("paper", "vector"), ("garden", "the")])))
        prompted = self.write("prompted.tsv", re.sub(r"\t", r"\tthe green ", pairs.read_text()))
        self.assertEqual(json.loads(sutra("eval", "--json", "sts", pairs, "-m", model, "--prompt-name", "query"))["score"],
                         json.loads(sutra("eval", "--json", "sts", prompted, "-m", MODEL))["score"])
        sutra("embed", "-m", model, "--prompt-name", "quary", "a", code=1, stderr="it has: query, document|document, query")

    def test_a_text_without_its_prompt_is_warned_of(self):
        model = self.dir / "prompted"
        shutil.copytree(MODEL, model)

        def settings(**values):
            self.write("prompted/config_sentence_transformers.json", json.dumps(values))

        def run(*args, stderr=None):
            return sutra("embed", "-m", model, *args, stderr=stderr)

        settings(prompts={"query": "the green ", "document": "", "stone": "stone "})
        warning = (r'^sutra: warning: no prompt was put before the texts, and prompted has: query, document, stone; choose '
                   r'one with --prompt-name NAME, or none with --prompt-name ""\n$')
        self.assertEqual(run("water", stderr=warning), run("water", "--prompt-name", ""))
        run("the green water", "stone river", "stone ")
        run("the green water", "water", stderr=warning)
        run("", stderr=warning)
        run("water", "--prompt-name", "query"), run("water", "--prompt-name", "document")
        # Once, however many blocks there are; nothing where the error says all there is to say.
        source = self.write("a.txt", "water\n" * 5000)
        run("-i", source, "-o", self.dir / "x.npy", stderr=warning)
        sutra("embed", "-m", model, "water", "--dim", "99", code=1, stderr="^sutra: [^\n]*dim 99[^\n]*\n$")
        settings(prompts={"query": "the green ", "document": "stone "}, default_prompt_name="document")
        run("water")
        for prompts in ({}, {"query": "", "document": ""}):
            settings(prompts=prompts)
            run("water")
        many = {f"task-{i}-{'x' * 40}": "water " for i in range(40)}
        settings(prompts=many)
        run("a", stderr=f"^sutra: warning: [^\n]{{,400}}: {list(many)[0]}, .*, …; choose [^\n]*\n$")

    def test_prompts_that_only_the_registry_knows(self):
        model = self.dir / "e5-small-v2"
        shutil.copytree(MODEL, model)
        warning = ('^sutra: warning: e5-small-v2 wants one of "query: ", "passage: " before every text, and its folder has no '
                   'such prompts: put it there; --prompt-name "" embeds texts as they are\n$')
        sutra("embed", "-m", model, "water", stderr=warning)
        sutra("embed", "-m", model, "passage: water", "water", stderr=warning)
        # Known by name to every model, and empty here.
        sutra("embed", "-m", model, "--prompt-name", "query", "water", stderr=warning)
        sutra("embed", "-m", model, "passage: water", "query: night")
        sutra("embed", "-m", model, "--prompt-name", "", "water")
        self.write("e5-small-v2/config_sentence_transformers.json", json.dumps({"prompts": {"query": "query: "}}))
        sutra("embed", "-m", model, "--prompt-name", "query", "water")
        # Prompts for queries alone: other texts have none.
        shutil.copytree(MODEL, self.dir / "bge-small-en-v1.5")
        sutra("embed", "-m", self.dir / "bge-small-en-v1.5", "water")

    def test_lines_are_counted_over_blocks(self):
        source = self.write("a.txt", "water\n" * 5000 + "a green garden of stone\n" + "water\n")
        embed("-i", source, "-o", self.dir / "x.npy", "--long-text", "error", "--max-tokens", "4", code=1,
              stderr=r"a\.txt:5001: the text has")
        source = self.write("b.txt", b"water\n" * 5000 + b"\xff\n")
        sutra("tokenize", "-m", MODEL, "-i", source, code=1, stderr=r"b\.txt:5001: invalid UTF-8 at byte 1\n")

    def test_summary(self):
        output = self.dir / "x.npy"
        facts = json.loads(embed("--json", "-o", output, "--max-tokens", "4", "--dim", "8", *TEXTS, stderr="truncated"))
        self.assertEqual((facts["texts"], facts["dim"], facts["output"]), (len(TEXTS), 8, str(output)))
        self.assertEqual(facts["model"], Path(MODEL).name)
        self.assertGreater(facts["tokens_seen"], facts["tokens_used"])
        self.assertGreater(facts["truncated"], 0)
        self.assertEqual(embed("--json", "a"), embed("a"))

    def test_environment(self):
        expected = embed("a")
        self.assertEqual(sutra("embed", "a", env={"SUTRA_MODEL": MODEL, "SUTRA_THREADS": "1"}), expected)
        self.assertEqual(sutra("embed", "-m", MODEL, "a", env={"SUTRA_MODEL": "nowhere"}), expected)

    def test_default_model_is_never_a_folder_that_happens_to_be_here(self):
        (self.dir / "all-MiniLM-L6-v2").symlink_to(MODEL)
        sutra("embed", "a", cwd=self.dir, env={"HF_HUB_CACHE": str(self.dir / "cache")}, code=1,
              stderr="sutra pull all-MiniLM-L6-v2")

    def test_no_progress_but_on_a_terminal(self):
        source = self.write("a.txt", "water\n" * 9000)
        ours, theirs = pty.openpty()
        with subprocess.Popen([PROGRAM, "embed", "-m", MODEL, "-i", source, "-o", self.dir / "x.npy"], stderr=theirs,
                              stdin=subprocess.DEVNULL) as run:
            os.close(theirs)
            shown = b""
            while True:
                try:
                    data = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                if not data:
                    break
                shown += data
            self.assertEqual(run.wait(), 0)
        os.close(ours)
        self.assertIn(b" texts ", shown)
        self.assertEqual(embed("-i", source, "-o", self.dir / "x.npy"), b"")


if __name__ == "__main__":
    main()
