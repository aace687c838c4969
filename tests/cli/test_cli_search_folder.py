"""sutra search FOLDER: which files, which chunks, what is embedded again, and what befalls the index."""

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import unittest

from cli_case import MODEL, PROGRAM, SANITIZED, Base, main, sutra

WORDS = "a green garden silver music night house river paper new old sea".split()
LESS = 4 if SANITIZED else 1  # times as few of what is repeated


def text(seed, words=40):
    """Some lines in paragraphs, which differ from those of other seeds."""
    chosen = random.Random(seed)
    lines = [" ".join(chosen.choice(WORDS) for _ in range(8)) for _ in range(words // 8)]
    return "".join(line + ("\n\n" if i % 2 else "\n") for i, line in enumerate(lines))


class Folder(Base):
    def setUp(self):
        super().setUp()
        self.folder, self.index = self.dir / "notes", self.dir / "notes.index"
        self.folder.mkdir()

    def put(self, name, data):
        path = self.folder / name if isinstance(name, str) else os.path.join(os.fsencode(self.folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        return path

    def arguments(self, *args):
        return ["search", "-m", MODEL, "--chunk-tokens", "24", "--index", self.index, self.folder, *args]

    def stats(self, *args, warning="indexed", **options):
        """Brings the index up to date; what was done."""
        return json.loads(sutra(*self.arguments("--json", *args), stderr=warning, **options))

    def hits(self, *args, warning="", **options):
        return [json.loads(line) for line in
                sutra(*self.arguments("--json", *args), stderr=warning, **options).splitlines()]

    def expect(self, done, **counts):
        self.assertEqual({key: done[key] for key in counts}, counts)

    def files(self, count, start=0):
        for i in range(start, start + count):
            self.put(f"f{i:03}.txt", text(i))

    def texts(self):
        return {h["text"] for h in self.hits("night", "--top", "100000")}

    def anew(self, *args):
        """What is found without an index."""
        lines = sutra("search", "-m", MODEL, "--chunk-tokens", "24", "--no-index", self.folder, "--json", *args,
                      stderr="indexed").splitlines()
        return [json.loads(line) for line in lines]


class Finds(Folder):
    def test_scores_are_those_of_embed(self):
        self.files(5)
        found = self.hits("night music", "a green garden", "--top", "1000")
        chunks = [h for h in found if h["query"] == 0]
        rows = self.vectors("night music", "a green garden", *(h["text"] for h in chunks))
        for query in 0, 1:
            scores = {h["text"]: h["score"] for h in found if h["query"] == query}
            self.assertEqual(len(scores), len(chunks))
            for hit, row in zip(chunks, rows[2:], strict=True):
                self.assertLess(abs(sum(a * b for a, b in zip(rows[query], row)) - scores[hit["text"]]), 5e-4)
        self.assertEqual([h["score"] for h in chunks], sorted((h["score"] for h in chunks), reverse=True))

    def test_places_are_those_of_the_file(self):
        self.put("bom.txt", "\ufeff" + text(1))
        self.put("below/deep/wide.txt", "é\n\n" + text(2) + "\r\n\r\n東京 music\n")
        found = self.hits("music", "--top", "1000")
        self.assertEqual({h["path"] for h in found},
                         {f"{self.folder}/bom.txt", f"{self.folder}/below/deep/wide.txt"})
        for hit in found:
            with open(hit["path"], "rb") as file:
                data = file.read()
            self.assertEqual(data[hit["begin"]:hit["end"]].decode(), hit["text"])
            self.assertEqual(hit["line"], data[:hit["begin"]].count(b"\n") + 1)
        self.assertIn("東京 music", {h["text"].split("\r\n\r\n")[-1] for h in found})

    def test_lines(self):
        self.put("a.txt", "night\n\tmusic \x1b[31m" + "old " * 5)
        line, = sutra(*self.arguments("night"), stderr="indexed").decode().splitlines()
        score, rest = line.split("\t")
        self.assertRegex(score, r"^0\.\d{4}$")
        self.assertTrue(rest.startswith(f"{self.folder}/a.txt:1: night music [31mold old"), rest)
        two = sutra(*self.arguments("night", "music")).decode()
        self.assertRegex(two, r"^query 1\n.*\n\nquery 2\n.*\n$")
        here = sutra("search", "-m", MODEL, ".", "night", "--no-index", cwd=self.folder, stderr="indexed").decode()
        self.assertIn("\ta.txt:1: ", here)
        os.remove(self.folder / "a.txt")
        self.put("b.txt", "night" + " " * 300 + "music " * 90)
        self.index = self.dir / "other.index"
        long = sutra(*self.arguments("night", "--top", "1", "--chunk-tokens", "100"), stderr="indexed").decode()
        self.assertTrue(long.endswith(" music…\n"), long)
        self.assertTrue(230 < len(long) <= 242, long)

    def test_what_is_neither_folder_nor_vectors(self):
        os.mkfifo(self.dir / "pipe")
        for name in self.dir / "pipe", "/dev/null":
            sutra("search", "-m", MODEL, name, "night", code=1, stderr="a pipe or device, which can't be mapped")
        sutra("search", "-m", MODEL, self.dir / "csi\x9b31m\x1b[m", "night", code=1, stderr=r"/csi\?\?31m\?\[m: No such")
        self.folder = self.dir / "folder.npy"
        self.put("a.txt", "night")
        self.assertEqual(len(self.hits("night", warning="indexed")), 1)

    def test_top_by_file_and_metric(self):
        self.files(6)
        done = self.stats()
        self.assertEqual(len(self.hits("music")), 10)
        self.assertEqual(len(self.hits("music", "--top", "3")), 3)
        self.assertEqual(len(self.hits("music", "--top", "1000")), done["chunks"])
        best = {}
        for hit in self.hits("music", "--top", "1000"):
            best.setdefault(hit["path"], hit)
        self.assertEqual(self.hits("music", "--top", "1000", "--by-file"), list(best.values()))
        self.assertEqual(self.hits("music", "--top", "2", "--by-file"), list(best.values())[:2])
        self.put("long.txt", "\n\n".join("night music " + text(i, 8) for i in range(60))) # the best ones, before others
        self.stats()
        for top in "2", "5", "1000":
            both = self.hits("night music", "old paper", "--top", top, "--by-file")
            best = {}
            for hit in self.hits("night music", "old paper", "--top", "1000"):
                best.setdefault((hit["query"], hit["path"]), hit)
            for query in 0, 1:
                self.assertEqual([h for h in both if h["query"] == query],
                                 [h for h in best.values() if h["query"] == query][:int(top)])
        cosines, dots = self.hits("music"), self.hits("music", "--metric", "dot")
        for a, b in zip(cosines, dots, strict=True):
            self.assertLess(abs(a["score"] - b["score"]), 2e-3)

    def test_queries(self):
        self.files(2)
        self.stats()
        self.assertEqual(self.hits("-i", "-", stdin="night\nmusic\n"), self.hits("night", "music"))
        self.assertEqual(self.hits("-i", "-", stdin=""), [])
        sutra(*self.arguments("night", " "), code=1, stderr="text 2: a query without text")
        sutra(*self.arguments("night", "--prompt-name", "nonsense"), code=1, stderr="nonsense")

    def test_chunk_options(self):
        self.files(2)
        few = self.stats()
        for args in (["--chunk", "sentences"], ["--chunk", "tokens"], ["--chunk-overlap", "8"]):
            again = self.stats(*args, warning="of another folder, model or options; it is made again")
            self.assertEqual(again["embedded"], again["chunks"])
        self.assertGreater(self.stats("--chunk-overlap", "8")["chunks"], few["chunks"])
        sutra(*self.arguments("--chunk-overlap", "24"), code=1, stderr="overlap")


class Files(Folder):
    def names(self, *args):
        found = self.hits("music", "--top", "1000", "--reindex", *args)
        return {h["path"].removeprefix(f"{self.folder}/") for h in found}

    def test_globs_and_hidden(self):
        for name in "a.md", "b.txt", "docs/c.md", "docs/more/d.txt", ".git/e.md", "docs/.f.md", "build/g.md":
            self.put(name, name + " music")
        everything = {"a.md", "b.txt", "docs/c.md", "docs/more/d.txt", "build/g.md"}
        self.assertEqual(self.names(), everything)
        self.assertEqual(self.names("--glob", "*.md"), {"a.md", "docs/c.md", "build/g.md"})
        self.assertEqual(self.names("--glob", "docs/*"), {"docs/c.md", "docs/more/d.txt"})
        self.assertEqual(self.names("--glob", "*.md", "--glob", "b.*"), everything - {"docs/more/d.txt"})
        self.assertEqual(self.names("--glob", "!*.txt"), {"a.md", "docs/c.md", "build/g.md"})
        self.assertEqual(self.names("--glob", "!build/"), everything - {"build/g.md"})
        self.assertEqual(self.names("--glob", "*.md", "--glob", "!docs/*"), {"a.md", "build/g.md"})
        self.assertEqual(self.names("--hidden"), everything | {".git/e.md", "docs/.f.md"})
        sutra(*self.arguments("--glob", "*.rst", "x"), code=1, stderr="no files with text")

    def test_what_is_no_text(self):
        self.files(2)
        for name, data in ("zip", b"PK\x03\x04\x00\x01"), ("latin", b"caf\xe9"), ("late", b"x" * 9000 + b"\0"), \
                ("utf16", "night".encode("utf-16")):
            self.put(name, data)
        self.put("large.txt", "night " * 100)
        self.put("empty.txt", "")
        done = self.stats("--max-file-bytes", "9500")
        self.expect(done, files=4, new=4, binary=4, too_large=0)
        done = self.stats("--max-file-bytes", "500", warning="left out: 3 binary, 2 too large")
        self.expect(done, files=3, binary=3, too_large=2)
        self.put("zip", "night music")
        self.put("f000.txt", b"\0")
        self.expect(self.stats("--max-file-bytes", "500"), files=3, new=1, removed=1, binary=3)
        self.expect(self.stats("--max-file-bytes", "500"), files=3, new=0, removed=0, embedded=0)

    def test_names_of_any_bytes(self):
        names = [b"new\nline.txt", b"\xff\xfe.txt", b"tab\tand\x1b[31m.txt", 'quote"\\.txt'.encode(), b"-x.txt",
                 "東京.txt".encode(), b"csi\xc2\x9b31m.txt"]
        for name in names:
            self.put(name, "night music")
        plain = sutra(*self.arguments("night", "--top", "1000"), stderr="indexed")
        self.assertEqual(len(plain.splitlines()), len(names))
        for shown in b"new\\nline.txt:1:", b"\\x1b[31m.txt:1:", b'quote"\\\\.txt:1:', b"\xff\xfe.txt:1:", \
                b"csi\\xc2\\x9b31m.txt:1:":
            self.assertIn(shown, plain)
        found = {h["path"].rsplit("/", 1)[1] for h in self.hits("night", "--top", "1000")}
        self.assertEqual(found, {n.decode(errors="replace") for n in names})
        self.expect(self.stats(), files=len(names), embedded=0, new=0, changed=0, removed=0)

    def test_links_and_pipes(self):
        self.files(2)
        os.symlink(self.folder, self.folder / "loop")
        os.symlink(self.folder / "f000.txt", self.folder / "twin.txt")
        os.symlink("nowhere", self.folder / "broken")
        os.mkfifo(self.folder / "pipe")
        self.expect(self.stats(), files=2, new=2, unreadable=0)
        os.symlink(self.folder, self.dir / "way")
        self.folder = self.dir / "way"
        self.expect(self.stats(), files=2, embedded=0) # the same folder by another name

    def test_times_far_away(self):
        """Whose nanoseconds no 64-bit number has; a sanitizer sees to it."""
        self.files(2)
        for seconds in 2**33, -2**31, 2**40:
            os.utime(self.folder / "f001.txt", (seconds, seconds))
            self.stats()
            self.expect(self.stats(), files=2, embedded=0)

    def test_long_paths(self):
        self.files(1)
        fd = os.open(self.folder, os.O_RDONLY)
        deep = [fd]
        for _ in range(20): # 20 x 251 bytes: more than a path may have
            os.mkdir("d" * 250, dir_fd=deep[-1])
            deep.append(os.open("d" * 250, os.O_RDONLY, dir_fd=deep[-1]))
            with open(os.open("x.txt", os.O_CREAT | os.O_WRONLY, dir_fd=deep[-1]), "w") as file:
                file.write("night")
        done = self.stats(warning="File name too long")
        self.assertTrue(10 < done["files"] < 21, done)
        self.assertGreater(done["unreadable"], 0)
        for parent in reversed(deep[:-1]):
            os.close(deep.pop())
            inner = os.open("d" * 250, os.O_RDONLY, dir_fd=parent)
            os.unlink("x.txt", dir_fd=inner)
            os.close(inner)
            os.rmdir("d" * 250, dir_fd=parent)
        os.close(fd)


class Updates(Folder):
    def test_only_what_changed(self):
        self.files(20)
        done = self.stats()
        before = self.texts()
        self.expect(done, files=20, new=20, changed=0, removed=0, read=20, embedded=len(before))
        self.expect(self.stats(), new=0, changed=0, removed=0, embedded=0, chunks=done["chunks"])
        self.put("f003.txt", text(1003))
        self.put("f020.txt", text(1020))
        (self.folder / "f007.txt").unlink()
        again = self.stats()
        self.expect(again, files=20, new=1, changed=1, removed=1, embedded=len(self.texts() - before))
        self.assertEqual(self.hits("music", "--top", "1000"), self.anew("music", "--top", "1000"))

    def test_nothing_is_said_when_nothing_changed(self):
        self.files(2)
        sutra(*self.arguments("night"), stderr="^sutra: indexed 2 new, 0 changed, 0 removed of 2 files, "
                                               r"\d+ chunks \(\d+ embedded\) in [\d.]+ s\n$")
        sutra(*self.arguments("night"))

    def test_unchanged_files_are_not_read(self):
        self.files(3)
        for path in self.folder.iterdir():
            os.utime(path, ns=(10**18, 10**18))
        self.stats()
        for _ in range(100): # until the clock has moved on from when the files changed
            done = self.stats()
            if done["read"] == 0:
                break
        self.expect(done, read=0, embedded=0)
        os.utime(self.folder / "f001.txt", ns=(10**18, 10**18 + 5))
        self.expect(self.stats(), read=1, new=0, changed=0, embedded=0)

    def test_a_change_that_keeps_size_and_time(self):
        self.files(3)
        before = os.stat(self.folder / "f001.txt")
        for i in range(20):
            self.stats()
            data = (self.folder / "f001.txt").read_bytes()
            with open(self.folder / "f001.txt", "r+b") as file: # the same inode
                file.write(bytes(sorted(data, key=lambda c: (c * 37 + i) % 101)).replace(b"\n", b" "))
            os.utime(self.folder / "f001.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
            self.assertEqual(self.hits("night", "--top", "1000"), self.anew("night", "--top", "1000"))

    def test_moved_and_copied_texts_are_known(self):
        self.files(8)
        done = self.stats()
        os.makedirs(self.folder / "moved")
        os.rename(self.folder / "f002.txt", self.folder / "moved/elsewhere.txt")
        self.put("copy.txt", (self.folder / "f004.txt").read_bytes())
        again = self.stats()
        self.expect(again, new=2, removed=1, embedded=0)
        self.assertGreater(again["chunks"], done["chunks"])
        before = self.texts()
        self.put("twice.txt", text(500) + "\n" + text(500))
        self.put("thrice.txt", text(500))
        done = self.stats()
        self.assertEqual(done["embedded"], len(self.texts() - before))
        self.assertEqual(self.hits("music", "--top", "1000"), self.anew("music", "--top", "1000"))

    def test_an_edit_embeds_its_chunks_only(self):
        parts = [text(i, 16).replace("\n", " ") for i in range(60)]
        self.put("large.txt", "\n\n".join(parts))
        done = self.stats()
        self.assertGreaterEqual(done["embedded"], 60)
        parts[30] = "something else altogether"
        self.put("large.txt", "\n\n".join(parts))
        again = self.stats()
        self.expect(again, changed=1, new=0)
        self.assertTrue(0 < again["embedded"] < 5, again)

    def test_an_edit_moves_few_chunks(self):
        """Paragraphs that fill chunks together: one more at the start shifts no chunks far away."""
        parts = [" ".join(random.Random(i).choices(WORDS, k=3 + i % 5)) for i in range(1500)]
        for separator in "\n\n", "\n":
            self.put("large.txt", separator.join(parts))
            done = self.stats()
            found = self.hits("night", "--top", "100000")
            self.assertGreater(max(h["line"] for h in found), 1400)
            self.put("large.txt", "one more" + separator + separator.join(parts))
            again = self.stats()
            self.expect(again, changed=1)
            self.assertTrue(0 < again["embedded"] < done["chunks"] // 2, again)
            self.assertEqual(self.hits("night", "--top", "100000"), self.anew("night", "--top", "100000"))

    def test_other_options_another_index(self):
        self.files(2)
        cache = self.dir / "cache"
        run = ["search", "-m", MODEL, self.folder, "--json"]
        env = {"SUTRA_CACHE": str(cache)}
        for args in [], ["--chunk", "tokens"], ["--chunk-tokens", "20"], ["--glob", "*"], ["--hidden"]:
            done = json.loads(sutra(*run, *args, env=env, stderr="indexed"))
            self.assertGreater(done["embedded"], 0, args)
            self.assertEqual(json.loads(sutra(*run, *args, env=env, stderr="indexed"))["embedded"], 0, args)
        self.assertEqual(len(list((cache / "search").iterdir())), 5)
        self.assertEqual(list(p.name for p in self.folder.iterdir() if not p.name.startswith("f")), [])

    def test_indexes_of_no_use_are_removed(self):
        """Of folders that are gone, of another version of the program; not before they are unused for 30 days."""
        self.files(1)
        cache, env = self.dir / "cache/search", {"SUTRA_CACHE": str(self.dir / "cache")}
        run = ["search", "-m", MODEL]
        for name in "gone", "away", "there":
            shutil.copytree(self.folder, self.dir / name)
            before = set(cache.iterdir()) if cache.exists() else set()
            sutra(*run, self.dir / name, env=env, stderr="indexed")
            path, = set(cache.iterdir()) - before
            if name == "gone":
                gone = path
            os.utime(path, (0, 0) if name != "away" else None)
        shutil.rmtree(self.dir / "gone")
        shutil.rmtree(self.dir / "away")
        (cache / "other.index").write_bytes(b"a file of the user's")
        os.utime(cache / "other.index", (0, 0))
        (cache / "version.index").write_bytes(gone.read_bytes().replace(b"sutra=", b"other="))
        os.utime(cache / "version.index", (0, 0))
        sutra(*run, self.dir / "there", env=env, stderr="^sutra: removed indexes .*: 2\n.*indexed 0 new")
        self.assertEqual(len(list(cache.iterdir())), 3)
        self.assertTrue((cache / "other.index").exists())
        self.assertFalse(gone.exists())
        self.assertGreater(path.stat().st_mtime, 10**9) # it was used
        sutra(*run, self.folder, env=env, stderr="^sutra: indexed 1 new")

    def test_no_index_and_reindex(self):
        self.files(2)
        self.assertEqual(self.anew("music"), self.anew("music"))
        self.assertFalse(self.index.exists())
        done = self.stats()
        self.expect(self.stats(), embedded=0)
        self.expect(self.stats("--reindex"), embedded=done["embedded"], new=2)

    def test_index_within_the_folder(self):
        self.files(2)
        self.index = self.folder / "kept.index"
        self.expect(self.stats(), files=2, binary=0)
        self.put("f003.txt", text(3))
        self.expect(self.stats(), files=3, binary=0, new=1)
        os.symlink(self.index, self.dir / "link")
        self.index = self.dir / "link"
        self.expect(self.stats(), files=3, binary=0, new=0)


class Index(Folder):
    def test_each_byte_that_is_damaged(self):
        self.put("a.txt", "night music")
        done = self.stats()
        good, found = self.index.read_bytes(), self.hits("night")
        places = sorted(random.Random(5).sample(range(len(good)), (len(good) if len(good) < 700 else 200) // LESS))
        for place in places:
            bad = bytearray(good)
            bad[place] ^= 1 << place % 8
            self.index.write_bytes(bad)
            if place < 8: # it could be any file of the user's
                sutra(*self.arguments("night"), code=1, stderr="no index of sutra search")
                self.assertEqual(self.index.read_bytes(), bad)
                continue
            self.assertEqual(self.hits("night", warning="made again"), found)
            self.expect(self.stats(), embedded=0, chunks=done["chunks"])

    def test_cut_off_and_longer(self):
        self.files(2)
        self.stats()
        good, found = self.index.read_bytes(), self.hits("night")
        for bad in good[:-1], good + b"\0", good[:200], good[:100]:
            self.index.write_bytes(bad)
            self.assertEqual(self.hits("night", warning="made again"), found)
        self.index.write_bytes(b"")
        self.assertEqual(self.hits("night", warning="made again"), found)
        self.index.write_bytes(b"not an index")
        sutra(*self.arguments("night"), code=1, stderr="no index of sutra search")

    def test_other_files_beside_it(self):
        self.files(2)
        beside = self.write("notes.index.partial", b"a file of the user's")
        os.symlink(self.index, self.dir / "link")
        for self.index in self.index, self.dir / "link":
            sutra(*self.arguments("night"), code=1, stderr="notes.index.partial: no index of sutra search")
            self.assertEqual(beside.read_bytes(), b"a file of the user's")
            self.write("notes.index", b"")

    def test_damage_in_the_cache(self):
        self.files(2)
        env = {"SUTRA_CACHE": str(self.dir / "cache")}
        run = ["search", "-m", MODEL, self.folder, "night", "--json"]
        found = sutra(*run, env=env, stderr="indexed")
        path, = (self.dir / "cache/search").iterdir()
        for bad in b"", b"nonsense", path.read_bytes()[:-3]:
            path.write_bytes(bad)
            self.assertEqual(sutra(*run, env=env, stderr="made again"), found)
            self.assertEqual(sutra(*run, env=env), found)

    def test_index_that_cannot_be_written(self):
        self.files(2)
        self.index = self.dir / "missing/x.index"
        self.assertEqual(self.hits("night", warning="the index was not kept: .*No such file"), self.anew("night"))
        self.index = self.dir
        sutra(*self.arguments("night"), code=1, stderr="no index of sutra search")
        full = "ulimit -f 1; trap '' XFSZ; exec \"$@\""
        self.index = self.dir / "full.index"
        self.files(30)
        done = subprocess.run(["bash", "-c", full, "bash", PROGRAM, *map(str, self.arguments("night"))],
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr.decode(), "the index was not kept: .*File too large")
        self.assertEqual(len(done.stdout.splitlines()), 10)
        self.assertEqual([p.name for p in self.dir.iterdir()], ["notes"])
        sutra("search", "-m", MODEL, self.folder, "night", env={"SUTRA_CACHE": "", "HOME": "", "XDG_CACHE_HOME": ""},
              stderr="the index is not kept: no cache folder")

    def kept(self):
        """Chunks in the index, as its header says."""
        return struct.unpack_from("<Q", self.index.read_bytes(), 40)[0] if self.index.exists() else 0

    def test_killed_at_any_moment(self):
        for i in range(150):
            self.put(f"f{i:03}.txt", text(i, 300))
        found = self.anew("night", "--top", "100000")
        chosen, done, patience, unmoved, states = random.Random(7), 0, 0.01, 0, set()
        for _ in range(400):
            run = subprocess.Popen([PROGRAM, *map(str, self.arguments("--checkpoint", "64"))], stderr=subprocess.PIPE)
            try:
                run.communicate(timeout=chosen.uniform(0, patience))
            except subprocess.TimeoutExpired:
                run.kill()
                self.assertNotIn(b"warning", run.communicate()[1]) # of damage
            before, done = done, self.kept()
            states.add(done)
            self.assertGreaterEqual(done, before) # nothing is lost
            if done == len(found) and len(states) > 4:
                break
            if done == len(found): # all at once: again, in smaller steps
                self.index.unlink()
                done, patience = 0, patience / 2
            unmoved = 0 if done > before else unmoved + 1
            if unmoved == 4: # a slow machine
                patience, unmoved = 1.5 * patience, 0
            if len(states) % 4 == 2 and done > before: # what is kept is right
                kept, self.index = self.index, self.write("copy.index", self.index.read_bytes())
                self.expect(self.stats(warning="^sutra: indexed"), chunks=len(found))
                self.assertEqual(self.hits("night", "--top", "100000"), found)
                self.index = kept
        self.stats(warning="^sutra: indexed")
        self.assertEqual(self.kept(), len(found))
        self.assertEqual(self.hits("night", "--top", "100000"), found)
        self.assertGreater(len(states), 4, states)

    def test_part_of_a_file_is_kept(self):
        """A run is killed after its first checkpoint: the next one goes on within the file."""
        self.put("large.txt", "\n\n".join(text(i, 16) for i in range(2000)))
        run = subprocess.Popen([PROGRAM, *map(str, self.arguments("--checkpoint", "64"))], stderr=subprocess.DEVNULL)
        while run.poll() is None and not self.index.exists():
            pass
        run.kill()
        run.wait()
        done = self.stats()
        self.assertLess(done["embedded"], done["chunks"])
        self.expect(self.stats(), embedded=0)

    def test_several_at_once(self):
        self.files(20)
        found = self.anew("night", "--top", "1000")
        for round_ in range(3):
            runs = [subprocess.Popen([PROGRAM, *map(str, self.arguments("night", "--json", "--top", "1000",
                                                                          "--checkpoint", "4"))],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
            for run in runs:
                out, message = run.communicate()
                self.assertEqual(run.returncode, 0, message)
                self.assertEqual([json.loads(line) for line in out.splitlines()], found)
                self.assertNotIn(b"damaged", message)
            self.expect(self.stats(), embedded=0)
            self.put(f"f{round_:03}.txt", text(5000 + round_))
            found = self.anew("night", "--top", "1000")
        self.assertEqual({p.name for p in self.dir.iterdir()}, {"notes", "notes.index"})

    def test_files_that_change_while_they_are_read(self):
        self.files(10)
        for i in range(10):
            run = subprocess.Popen([PROGRAM, *map(str, self.arguments())], stderr=subprocess.PIPE)
            for j in range(10):
                self.put(f"f{j:03}.txt", text(100 * i + j, 8 + 8 * (j % 4)))
            (self.folder / "f009.txt").unlink()
            self.assertEqual(run.wait(), 0, run.stderr.read())
            run.stderr.close()
            self.assertEqual(self.hits("night", "--top", "1000"), self.anew("night", "--top", "1000"))

    CONTENTS = (lambda r: b"\0", lambda r: b"", lambda r: b"\xef\xbb\xbf", lambda r: b"caf\xe9", lambda r: b"x" * 4000,
                lambda r: "night".encode("utf-16"), lambda r: text(r.random()).encode() + b"\0",
                lambda r: b"\n \r\n" * 300 + text(r.random()).encode(),
                lambda r: text(r.random(), 4000).replace("\n", " ").encode(),
                *3 * [lambda r: text(r.random(), 1200).encode()], *5 * [lambda r: text(r.random()).encode()])
    CHANGES = {
        "append": lambda r, old: old + text(r.random()).encode(),
        "insert": lambda r, old: old[:len(old) // 2] + b"music\n\n" + old[len(old) // 2:],
        "twice": lambda r, old: old + old,
        "crlf": lambda r, old: old.replace(b"\n", b"\r\n"),
        "cut": lambda r, old: old[:r.randrange(len(old) + 1)],
    }

    def edit(self, chosen, names):
        name = chosen.choice(names)
        path = os.path.join(os.fsencode(self.folder), name)
        change = chosen.choice(("write", "write", "remove", "touch", "same", "rename", "folder", "link", *self.CHANGES))
        if os.path.islink(path):
            os.remove(path)
        elif os.path.isdir(path):
            shutil.rmtree(path)
        if change == "write" or not os.path.exists(path):
            self.put(name, chosen.choice(self.CONTENTS)(chosen))
        elif change == "touch":
            os.utime(path, (chosen.choice((0, 10**9, 2**33)),) * 2)
        elif change == "same": # size, inode and time
            facts = os.stat(path)
            with open(path, "r+b") as file:
                data = file.read().replace(b"a", b"o")
                file.seek(0)
                file.write(data)
            os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        elif change == "rename":
            os.rename(path, path + b"'") # no name of the list: it stays
        elif change in self.CHANGES:
            with open(path, "rb") as file:
                data = self.CHANGES[change](chosen, file.read())
            self.put(name, data)
        else:
            os.remove(path)
            if change == "folder":
                self.put(os.path.join(name, b"below.txt"), text(chosen.random()))
            elif change == "link":
                os.symlink(self.folder, path)

    def inode(self):
        return os.stat(self.index).st_ino if self.index.exists() else None

    def test_random_edits(self):
        """The index that is kept, also by runs that were killed, finds what a search without one does."""
        for seed, options in (11, []), (12, ["--chunk-overlap", "4"]), (13, ["--chunk", "tokens", "--max-file-bytes", "5000"]):
            chosen = random.Random(seed)
            names = [b"d%d/" % (i % 3) * (i % 2) + b"f%d" % i + chosen.choice((b"", b"\n", b"\xff", b"'\"", b" ", b"x" * 200))
                     for i in range(12)]
            for _ in range(12 // LESS):
                for _ in range(chosen.randrange(6)):
                    self.edit(chosen, names)
                if chosen.random() < 0.3:
                    self.put("large.txt", text(chosen.random(), 16000))
                    before = self.inode()
                    run = subprocess.Popen([PROGRAM, *map(str, self.arguments("--checkpoint", "1", *options))],
                                           stderr=subprocess.DEVNULL)
                    self.edit(chosen, names)
                    while run.poll() is None and self.inode() == before:
                        pass
                    run.send_signal(chosen.choice((signal.SIGKILL, signal.SIGTERM)))
                    run.wait()
                self.put("always.txt", "night")
                kept = sutra(*self.arguments("night", "--json", "--top", "100000", *options), stderr="")
                anew = sutra("search", "-m", MODEL, "--chunk-tokens", "24", "--no-index", self.folder, "night", "--json",
                             "--top", "100000", *options, stderr="")
                self.assertEqual(kept, anew)


if __name__ == "__main__":
    main()
