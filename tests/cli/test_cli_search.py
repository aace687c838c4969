"""sutra search: what it finds in files of each type, ids, rescoring, and files that are not what they should be."""

import json
import struct
import unittest

from cli_case import MODEL, Base, embed, main, read_npy, sutra

WORDS = "a green garden silver music night house river paper new old sea".split()
TEXTS = [f"{a} {b} {c}" for a in WORDS for b in WORDS[:5] for c in WORDS[3:9]]
QUERIES = ["a green garden", "night music", "the old sea"]


def search(*args, **options):
    return sutra("search", "-m", MODEL, *args, **options)


def hits(*args, **options):
    return [[(h["index"], h["score"]) for h in json.loads(line)["hits"]]
            for line in search(*args, "--json", **options).splitlines()]


class Search(Base):
    def corpus(self, name="c.npy", *args):
        embed("-i", self.write("c.txt", "".join(t + "\n" for t in TEXTS)), "-o", self.dir / name, *args)
        return self.dir / name

    def cosines(self, queries, texts=TEXTS):
        rows = self.vectors(*queries, *texts)
        x, y = rows[:len(queries)], rows[len(queries):]
        return [[sum(a * b for a, b in zip(q, d)) for d in y] for q in x]

    def expect(self, found, cosines, count, bound):
        """Scores are cosines within a bound, in order, and nothing better was left out."""
        for got, all_of in zip(found, cosines, strict=True):
            self.assertEqual(len(got), count)
            self.assertEqual([s for _, s in got], sorted((s for _, s in got), reverse=True))
            for index, score in got:
                self.assertLess(abs(score - all_of[index]), bound)
            left = [c for i, c in enumerate(all_of) if i not in dict(got)]
            self.assertLessEqual(max(left), got[-1][1] + 2 * bound)

    def test_each_type(self):
        cosines = self.cosines(QUERIES)
        for dtype, bound in ("float32", 1e-6), ("float16", 1e-3), ("int8", 1e-2), ("uint8", 1e-2):
            path = self.corpus("c.npy", "--output-dtype", dtype)
            self.expect(hits(path, *QUERIES), cosines, 10, bound)
            self.expect(hits(path, *QUERIES, "--metric", "cosine", "--top", "3", "--type", dtype), cosines, 3, bound)
        dots = hits(self.corpus(), *QUERIES, "--metric", "dot")
        self.expect(dots, cosines, 10, 1e-6)

    def test_bits(self):
        rows, queries = self.vectors(*TEXTS), self.vectors(*QUERIES)
        for dtype in "binary", "ubinary":
            path = self.corpus("b.npy", "--output-dtype", dtype)
            distances = [[sum((a > 0) != (b > 0) for a, b in zip(q, d)) for d in rows] for q in queries]
            for metric, score in ("hamming", lambda d: -d), ("cosine", lambda d: 1 - 2 * d / 32):
                found = hits(path, *QUERIES, "--metric", metric, "--top", "5")
                for got, all_of in zip(found, distances, strict=True):
                    order = sorted(range(len(TEXTS)), key=lambda i: (all_of[i], i))[:5]
                    self.assertEqual(got, [(i, score(all_of[i])) for i in order])

    def test_rescore(self):
        cosines, exact = self.cosines(QUERIES), self.corpus()
        bits = self.corpus("b.npy", "--output-dtype", "ubinary")
        whole = hits(bits, "--rescore", exact, "--oversample", "1000", *QUERIES)
        self.assertEqual(whole, hits(exact, *QUERIES))
        self.expect(hits(bits, "--rescore", self.corpus("i.npy", "--output-dtype", "int8"), "--oversample", "1000",
                         *QUERIES), cosines, 10, 1e-2)
        few = hits(bits, "--rescore", exact, "--oversample", "2", "--top", "4", *QUERIES)
        first = hits(bits, "--top", "8", *QUERIES)
        for got, pool, all_of in zip(few, first, cosines, strict=True):
            best = sorted((i for i, _ in pool), key=lambda i: -all_of[i])[:4]
            self.assertEqual({i for i, _ in got}, set(best))

    def test_ids_and_lines(self):
        rows = [{"id": i if i % 2 else f"k{i}", "t": t} for i, t in enumerate(TEXTS)]
        path = self.write("c.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
        embed(path, "--field", "t", "--id", "id", "-o", self.dir / "c.npy")
        line = json.loads(search(self.dir / "c.npy", "night", "--json", "--top", "20"))
        for hit in line["hits"]:
            self.assertEqual(hit["id"], rows[hit["index"]]["id"])
        text = search(self.dir / "c.npy", "night", "--top", "20").decode().splitlines()
        for hit, row in zip(line["hits"], text, strict=True):
            score, index, key = row.split("\t")
            self.assertEqual((int(index), json.loads(key)), (hit["index"], hit["id"]))
            self.assertEqual(struct.pack("<f", float(score)), struct.pack("<f", hit["score"]))
        queries = self.write("q.txt", "night\nmusic\n")
        self.assertEqual(len(search(self.dir / "c.npy", "-i", queries).decode().split("query ")), 3)

    def test_queries_and_prompts(self):
        path = self.corpus()
        self.assertEqual(hits(path, "night"), hits(path, "-i", "-", stdin="night\n"))
        self.assertEqual(hits(path, "night", "--prompt-name", ""), hits(path, "night"))
        search(path, "night", "--prompt-name", "nonsense", code=1, stderr="nonsense")
        self.assertEqual(hits(path, "-i", "-", stdin=""), [])

    def test_few_rows_and_smaller_ones(self):
        embed("night", "-o", self.dir / "one.npy")
        self.assertEqual([[i for i, _ in h] for h in hits(self.dir / "one.npy", "night", "day")], [[0], [0]])
        embed("-i", self.write("none.txt", ""), "-o", self.dir / "none.npy")
        self.assertEqual(hits(self.dir / "none.npy", "night"), [[]])
        short = self.corpus("s.npy", "--dim", "8")
        rows = read_npy(short.read_bytes())[0]
        self.assertEqual(len(rows[0]), 8)
        query = self.vectors("night", "--dim", "8")[0]
        self.expect(hits(short, "night"), [[sum(a * b for a, b in zip(query, d)) for d in rows]], 10, 1e-6)

    def test_files_that_are_not_what_they_should_be(self):
        good = self.corpus().read_bytes()
        for data, words in ((b"", "not a .npy file"), (b"nonsense" * 9, "not a .npy file"),
                            (good[:200], "bytes of elements, its header says"),
                            (good + b"x", "bytes of elements, its header says"),
                            (good.replace(b"<f4", b"<f8"), "elements '<f8'"),
                            (good.replace(b"False", b"True "), "Fortran order True"),
                            (good.replace(b", 32)", b",32,1)"), "shape")):
            search(self.write("bad.npy", data), "night", code=1, stderr=words)
        search(self.dir / "no.npy", "night", code=1, stderr="No such file")
        wide = good.replace(b"'shape': (%d, 32)" % len(TEXTS), b"'shape': (%d, 64)" % (len(TEXTS) // 2))
        search(self.write("wide.npy", wide), "night", code=1, stderr="rows of 64 elements, the model's vectors 32")
        search(self.corpus(), "night", "--type", "int8", code=1, stderr="elements of type <f4, not those of --type")
        search(self.corpus(), "night", "--metric", "hamming", code=1, stderr="Hamming distances are of binary rows")
        embed("night", "-o", self.dir / "one.npy")
        search(self.corpus(), "night", "--rescore", self.dir / "one.npy", code=1, stderr="has 360 rows, .* 1")


if __name__ == "__main__":
    main()
