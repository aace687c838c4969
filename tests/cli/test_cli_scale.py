#!/usr/bin/env python3
"""sutra embed on much input: order, errors on the way, memory, --stats, progress."""

import fcntl
import gzip
import json
import os
import pty
import re
import resource
import select
import struct
import subprocess
import termios
import threading
import time
import unittest

from cli_case import MODEL, PROGRAM, SANITIZED, Base, embed, lines, main, read_jsonl, sutra

LONG = " ".join(f"a green garden of stone {i}" for i in range(250)) + "\n"  # 6 KB


def unread(pipe):
    """Bytes in a pipe."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def wait_for_pipe(run, pipe, reached):
    """Until as many bytes are in a pipe as `reached` wants; a program that has ended won't change them."""
    while not reached(unread(pipe)):
        ended = run.poll() is not None
        if ended and not reached(unread(pipe)):
            raise AssertionError(f"the program ended with exit code {run.returncode} and {unread(pipe)} bytes in its pipe: "
                                 f"{run.stderr.read().decode()}")
        time.sleep(0.01)


def start(*args, **options):
    return subprocess.Popen([PROGRAM, "embed", "-m", MODEL, *map(str, args)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


class Queue(Base):
    def test_all_forms_of_much_input(self):
        texts = [f"{'garden ' * (i % 13)}music {i}" for i in range(12000)]
        source = self.write("a.txt", lines(texts))
        one_by_one = embed("--threads", "1", stdin=lines(texts))
        self.assertEqual([row["index"] for row in read_jsonl(one_by_one)], list(range(len(texts))))
        for threads in ("1", "2", "3", "16"):
            self.assertEqual(embed("-i", source, "--threads", threads), one_by_one)
        embed("-i", source, "-o", self.dir / "x.jsonl")
        self.assertEqual((self.dir / "x.jsonl").read_bytes(), one_by_one)
        arguments = texts[:1500]
        self.assertEqual(embed(*arguments), b"".join(one_by_one.splitlines(True)[:1500]))

    def failing(self, bad, code_words, *args):
        """What is printed is the rows of whole blocks before the bad line, and all those that were asked for before."""
        texts = lines([f"music {i}" for i in range(9000)])
        rows = embed(stdin=texts).splitlines(True)
        for place in (0, 1, 1500, 8999):
            before = b"".join(texts.splitlines(True)[:place])
            done = start(*args)
            out, message = done.communicate(before + bad + b"\n" + b"music\n" * 5000)
            self.assertEqual(done.returncode, 1)
            written = out.splitlines(True)
            self.assertEqual(written, rows[:len(written)])
            self.assertLessEqual(len(written), place)
            self.assertGreater(len(written), place - 2048)
            told = f"; the vectors of the first {len(written)} texts are written" if written else ""
            self.assertRegex(message.decode(), f"^sutra: standard input:{place + 1}: {code_words}{told}\n$")

    def test_a_line_that_cannot_be_read(self):
        self.failing(b"\xff", "invalid UTF-8 at byte 1")

    def test_a_text_that_cannot_be_embedded(self):
        self.failing(b"a green garden of stone " * 9, "the text has [^\n]* more than 20", "--max-tokens", "20", "--long-text",
                     "error")

    def test_an_error_does_not_wait_for_more_input(self):
        with start("--max-tokens", "4", "--long-text", "error", "-o", self.dir / "x.npy") as run:
            run.stdin.write(b"music\n" * 3000 + b"a green garden of stone\n")
            run.stdin.flush()
            self.assertTrue(select.select([run.stderr], [], [], 60)[0], "no message")
            self.assertRegex(run.stderr.readline(), rb"standard input:3001: the text has [^;]*; nothing is written\n$")
            self.assertEqual(run.wait(60), 1)
            run.stdin.close()

    def test_a_reader_that_goes_away(self):
        with start() as run:
            writer = threading.Thread(target=self.write_until_closed, args=(run.stdin,))
            writer.start()
            self.assertTrue(run.stdout.readline().startswith(b'{"index":0,'))
            run.stdout.close()
            self.assertEqual(run.wait(60), 141)
            writer.join()

    def test_streams_that_do_not_block(self):
        """As others may have left a terminal or a pipe that they share."""
        text = lines([f"music {i}" for i in range(9000)])
        (source, writer), (reader, sink) = os.pipe(), os.pipe()
        os.set_blocking(source, False)
        os.set_blocking(sink, False)
        with subprocess.Popen([PROGRAM, "embed", "-m", MODEL], stdin=source, stdout=sink, stderr=subprocess.PIPE) as run, \
                open(reader, "rb") as out:
            os.close(source)
            os.close(sink)
            self.assertFalse(select.select([out, run.stderr], [], [], 1)[0], "an end before the first text")
            feeder = threading.Thread(target=self.feed, args=(writer, text))
            feeder.start()
            time.sleep(0.5)  # the pipe fills
            rows = out.read()
            feeder.join()
            self.assertEqual((run.wait(), run.stderr.read()), (0, b""))
        self.assertEqual(rows, embed(stdin=text))

    @staticmethod
    def feed(pipe, data):
        with open(pipe, "wb") as file:
            file.write(data)

    @staticmethod
    def write_until_closed(pipe):
        try:
            while True:
                pipe.write(b"music\n" * 1000)
        except BrokenPipeError:
            pass
        try:
            pipe.close()
        except BrokenPipeError:
            pass


class Memory(Base):
    SMALL, LARGE = 8 << 20, 64 << 20

    def peak(self, make, size, *args, packed=False):
        """VmHWM of the program when all of its input is read."""
        with start("--stats", "--json", "-o", self.dir / "x.npy", *args) as run:
            def write():
                pipe = gzip.GzipFile(fileobj=run.stdin, mode="wb", compresslevel=1) if packed else run.stdin
                for piece in make(size):
                    pipe.write(piece)
                pipe.close()
                if packed:
                    run.stdin.close()
            writer = threading.Thread(target=write)
            writer.start()
            facts = json.loads(run.stdout.read())
            run.stderr.read()
            writer.join()
            self.assertEqual(run.wait(), 0)
        self.assertGreaterEqual(facts["stats"]["text_bytes"], size)
        self.assertGreater(facts["stats"]["peak_bytes"], 1 << 20)
        return facts["stats"]["peak_bytes"]

    def compare(self, make, small, large, *args, **options):
        few, many = (self.peak(make, size, *args, **options) for size in (small, large))
        # How many blocks are under way at once is a matter of luck.
        self.assertLessEqual(many, 1.1 * few + (4 << 20), f"{few} bytes grew to {many}")

    @staticmethod
    def long_texts(size):
        piece = LONG.encode() * 20
        for _ in range(size // len(piece) + 1):
            yield piece

    @staticmethod
    def short_texts(size):
        for _ in range(size // 60000 + 1):
            yield b"music\n" * 10000

    @unittest.skipIf(SANITIZED, "memory of a sanitizer")
    def test_long_texts(self):
        self.compare(self.long_texts, self.SMALL, self.LARGE, "--max-tokens", "8")

    @unittest.skipIf(SANITIZED, "memory of a sanitizer")
    def test_packed_texts(self):
        self.compare(self.long_texts, self.SMALL, self.LARGE, "--max-tokens", "8", packed=True)

    @unittest.skipIf(SANITIZED, "memory of a sanitizer")
    def test_many_rows(self):
        self.compare(self.short_texts, 300_000, 1_800_000)

    def test_what_unpacks_to_much(self):
        """A line that has no end ends in an error, and a member of 1 GB of blank lines takes no more than they do."""
        bomb = gzip.compress(b"\n" * (1 << 20), 9) * 100
        run = subprocess.run([PROGRAM, "tokenize", "-m", MODEL, "--field", "x"], input=bomb, capture_output=True, check=False)
        self.assertEqual((run.returncode, run.stdout), (0, b""))
        if SANITIZED:  # whose address space is larger
            return

        def limit():
            resource.setrlimit(resource.RLIMIT_DATA, (64 << 20, 64 << 20))
        run = subprocess.run([PROGRAM, "tokenize", "-m", MODEL, "--field", "x"], input=bomb, capture_output=True, check=False,
                             preexec_fn=limit)
        self.assertEqual((run.returncode, run.stdout), (0, b""))


class Stats(Base):
    def check_sums(self, stats):
        for name, threads in (("main", 1), ("reader", 1), ("engine", stats["threads"])):
            parts = stats.get(name)
            if parts:
                self.assertGreaterEqual(min(parts.values()), 0)
                self.assertAlmostEqual(sum(parts.values()), threads * stats["wall"], delta=2e-8 * threads, msg=name)
        self.assertGreaterEqual(stats["queued_most"], stats["queued_mean"])

    def run_embed(self, *args, **options):
        start_time = time.monotonic()
        before = os.times()
        facts = json.loads(embed("--stats", "--json", "-o", self.dir / "x.jsonl", *args, **options))
        after = os.times()
        wall = time.monotonic() - start_time
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        stats = facts["stats"]
        self.check_sums(stats)
        self.assertLessEqual(stats["wall"], wall)
        self.assertAlmostEqual(stats["wall"], facts["seconds"], delta=1e-3)
        busy = stats["engine"]["tokenizing"] + stats["engine"]["encoding"]
        self.assertLessEqual(busy, spent + 0.03)  # os.times counts in hundredths
        return facts

    def test_parts_add_up(self):
        data = lines([f"{'garden ' * (i % 13)}music {i}" for i in range(20000)])
        facts = self.run_embed("--threads", "2", stdin=data)
        stats = facts["stats"]
        self.assertEqual((stats["text_bytes"], stats["threads"], facts["texts"]), (len(data), 2, 20000))
        self.assertGreater(stats["engine"]["tokenizing"], 0)
        self.assertGreater(stats["engine"]["encoding"], 0)
        self.assertEqual(stats["reader"]["unpacking"], 0)
        stats = self.run_embed(stdin=gzip.compress(data))["stats"]
        self.assertGreater(stats["reader"]["unpacking"], 0)
        self.assertEqual(stats["text_bytes"], len(data))

    def test_an_input_of_one_block(self):
        stats = self.run_embed("a", "b")["stats"]
        self.assertNotIn("reader", stats)
        stats = self.run_embed("-i", self.write("a.gz", gzip.compress(b"a\nb\n")))["stats"]
        self.assertNotIn("reader", stats)
        self.assertGreater(stats["main"]["unpacking"], 0)
        self.run_embed(stdin=b"")

    def test_slow_ends_are_told_apart(self):
        pause = 0.5
        for slow_reader in (False, True):
            args = () if slow_reader else ("-o", self.dir / "x.npy", "--json")
            with start("--stats", "--threads", "1", *args) as run:
                os.write(run.stdin.fileno(), b"music\n" * 3000)
                if not slow_reader:
                    wait_for_pipe(run, run.stdin, lambda size: size == 0)
                    time.sleep(pause)
                os.write(run.stdin.fileno(), b"music\n" * 3000)
                run.stdin.close()
                if slow_reader:
                    wait_for_pipe(run, run.stdout, lambda size: size >= 60000)  # 65536 make the program wait
                    time.sleep(pause)
                out, message = run.stdout.read(), run.stderr.read().decode()
                self.assertEqual(run.wait(), 0)
            if slow_reader:
                self.assertGreater(float(re.search(r"main thread: .*writing (\S+) s", message)[1]), 0.6 * pause)
            else:
                self.assertGreater(json.loads(out)["stats"]["reader"]["reading"], 0.6 * pause)

    def test_lines(self):
        message = re.compile(
            r"^sutra: 3000 texts, 9000 tokens, 0\.018 MB of text in \d+\.\d{3} s: [\d.]+ texts/s, \d+ tokens/s, [\d.]+ MB/s; "
            r"peak memory [\d.]+ MB\nsutra: main thread: opening [^\n]* s\nsutra: reading thread: reading [^\n]* s\nsutra: "
            r"engine, 3 threads: tokenising [^\n]*, encoder [^\n]*, idle [^\n]*: busy [\d.]+ % of the run; a text waited "
            r"[\d.]+ s to be taken up, at most [\d.]+ s\n$")
        data = b"music\n" * 3000
        self.assertEqual(embed("--stats", "--threads", "3", stdin=data, stderr=message), embed(stdin=data))


    def test_of_a_stream(self):
        message = re.compile(
            r"^sutra: (\d+) chunks, (\d+) tokens, 0\.018 MB of text in ([\d.]+) s: [\d.]+ chunks/s, \d+ tokens/s, [\d.]+ MB/s; "
            r"peak memory [\d.]+ MB\nsutra: main thread: (opening [^\n]* s)\nsutra: reading thread: (reading [^\n]* s)\nsutra: "
            r"engine, 2 threads: (tokenising [^\n]*, encoder [^\n]*, idle [^\n]*): busy [\d.]+ % of the run; a chunk waited "
            r"[\d.]+ s to be taken up, at most [\d.]+ s\n$")
        args = ("--stream", "--chunk-tokens", "20", "--threads", "2")
        for data in (b"music " * 3000, gzip.compress(b"music " * 3000)):
            done = subprocess.run([PROGRAM, "embed", "-m", MODEL, "--stats", *args], input=data, capture_output=True,
                                  check=True)
            self.assertEqual(done.stdout, embed(*args, stdin=data))
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            got = message.match(done.stderr.decode())
            self.assertTrue(got, done.stderr)
            self.assertEqual((int(got[1]), int(got[2])), (len(rows), sum(row["tokens"] for row in rows)))
            for part, threads in ((4, 1), (5, 1), (6, 2)):
                took = [float(number) for number in re.findall(r" (\d+\.\d{3}) s", got[part])]
                self.assertAlmostEqual(sum(took), threads * float(got[3]), delta=0.0006 * (len(took) + threads))
            self.assertGreater(float(re.search(r"encoder (\S+) s", got[6])[1]), 0)


class Progress(Base):
    def terminal(self, *args):
        """What is drawn on standard error."""
        ours, theirs = pty.openpty()
        with subprocess.Popen([PROGRAM, "embed", "-m", MODEL, *args], stderr=theirs, stdin=subprocess.DEVNULL) as run:
            os.close(theirs)
            data = b""
            while True:
                try:
                    more = os.read(ours, 4096)
                except OSError:  # the other end is closed
                    break
                if not more:
                    break
                data += more
            self.assertEqual(run.wait(), 0)
        os.close(ours)
        return data

    def shown(self, source, packed):
        data = self.terminal("-o", self.dir / "x.npy", "-i", source)
        draws = re.findall(rb"(\d+) texts  (\d+)%  (\d+)/s  ETA (\d+:\d\d)", data)
        self.assertGreater(len(draws), 0, data)
        percents = [int(draw[1]) for draw in draws]
        self.assertEqual(percents, sorted(percents))
        self.assertLessEqual(percents[-1], 100)
        if not packed:
            for texts, percent, _rate, _eta in draws:
                self.assertAlmostEqual(int(percent), 100 * int(texts) / 40000, delta=1)
        self.assertTrue(data.endswith(b"\r\x1b[K"))

    def test_on_a_terminal(self):
        data = lines([f"music {i:06d}" for i in range(40000)])
        self.shown(self.write("a.txt", data), False)
        self.shown(self.write("a.gz", gzip.compress(data)), True)

    def test_of_a_stream(self):
        text = b"music and water. " * 40000
        for name, data in (("a.txt", text), ("a.gz", gzip.compress(text))):
            drawn = self.terminal("--stream", "--chunk-tokens", "16", "-o", self.dir / "x", "-i", self.write(name, data))
            draws = re.findall(rb"(\d+) chunks  (\d+)%  (\d+)/s  ETA (\d+:\d\d)", drawn)
            self.assertGreater(len(draws), 0, drawn)
            percents = [int(draw[1]) for draw in draws]
            self.assertEqual(percents, sorted(percents))
            self.assertLessEqual(percents[-1], 100)
            self.assertTrue(drawn.endswith(b"\r\x1b[K"))


if __name__ == "__main__":
    main()
