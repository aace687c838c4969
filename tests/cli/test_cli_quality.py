#!/usr/bin/env python3
"""What bf16, fp16 and int8 may cost: the vectors of the files that `sutra quantize` writes beside those of fp32.

Files, because they compute in their precision on every processor. The bounds are those of docs/BENCHMARKS.md."""

import math
import os
from pathlib import Path

from cli_case import SOURCE, Base, lines, main, read_npy, sutra

PASSAGES, FEW = 300, 40
INT8_BYTES = 24_000_000  # of all-MiniLM-L6-v2, embeddings in int8 too
BOUNDS = {  # mean and least cosine; points of STSb that may be lost
    "bf16": (0.9999, 0.9995, 0.05),
    "fp16": (0.9999998, 0.999999, 0.01),
    "int8": (0.997, 0.985, 0.3),
}


def cosine(a, b):
    return sum(map(float.__mul__, a, b)) / math.sqrt(sum(x * x for x in a) * sum(x * x for x in b))


class Quality(Base):
    def setUp(self):
        super().setUp()
        self.model = os.environ.get("SUTRA_TEST_MODEL", "")
        self.data = Path(os.environ.get("SUTRA_SHARED_DATA", SOURCE.parent / "shared/data"))
        self.there = Path(self.model, "model.safetensors").exists() and (self.data / "passages.txt").exists()
        if not self.there:
            print("no SUTRA_TEST_MODEL or no shared data: the quality of bf16, fp16 and int8 was not measured")

    def passages(self, count=PASSAGES):
        with open(self.data / "passages.txt", encoding="utf-8", newline="\n") as file:
            return self.write("passages.txt", lines([line.rstrip("\n") for line, _ in zip(file, range(count))]))

    def vectors_of(self, model, texts, **options):
        return read_npy(sutra("embed", "-m", model, "-i", texts, "--format", "npy", stderr="truncated",
                              **options))[0]

    def spearman(self, model):
        return float(sutra("eval", "sts", self.data / "stsb-test.tsv", "-m", model).split()[1])

    def test_bounds(self):
        if not self.there:
            return
        texts = self.passages()
        exact, score = self.vectors_of(self.model, texts), self.spearman(self.model)
        for compute, (mean, least, points) in BOUNDS.items():
            with self.subTest(compute):
                file = self.dir / f"{compute}.sutra"
                sutra("quantize", self.model, "-o", file, "--compute", compute, stderr="")
                cosines = [cosine(a, b) for a, b in zip(exact, self.vectors_of(file, texts), strict=True)]
                found = self.spearman(file)
                print(f"{compute}: mean cosine {sum(cosines) / len(cosines):.9f}, least {min(cosines):.9f}, "
                      f"STSb {found:.2f} (fp32 {score:.2f})")
                self.assertGreaterEqual(sum(cosines) / len(cosines), mean)
                self.assertGreaterEqual(min(cosines), least)
                self.assertGreaterEqual(found, score - points - 0.0051)  # figures have two digits
                self.assertLess(min(cosines), 1 - 1e-10)  # it did compute in another precision
                if compute == "int8":
                    self.assertLessEqual(file.stat().st_size, INT8_BYTES)

    def test_int8_is_the_same_on_all_levels(self):
        """But for amx, whose attention is in bf16."""
        self.same_on("int8", "avx2", "avx512", "avx512vnni")

    def test_fp16_is_the_same_on_all_levels(self):
        self.same_on("fp16", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "amx")

    def same_on(self, compute, *levels):
        if not self.there:
            return
        texts, file, first = self.passages(FEW), self.dir / f"{compute}.sutra", None
        sutra("quantize", self.model, "-o", file, "--compute", compute, stderr="")
        for level in levels:
            try:
                vectors = self.vectors_of(file, texts, env={"SUTRA_ISA": level})
            except AssertionError as failure:
                self.assertIn("SUTRA_ISA", str(failure))
                print(f"this processor has no {level}: not compared")
                continue
            first = first or vectors
            self.assertEqual(vectors, first, level)


if __name__ == "__main__":
    main()
