#!/usr/bin/env python3
"""sutra distill with the tiny model: students that are better than no training, and the same whatever happens to the
run that makes them."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
from cli_case import MODEL, PROGRAM, SOURCE, Base, lines, main, read_npy, sutra  # noqa: E402

WORDS = "garden paper house river music night silver green new old the a is in over at under light stone bird".split()
COUNT, DIM, KILLS = 400, 8, 25


def texts():
    source = random.Random(7)
    return [" ".join(source.choices(WORDS, k=source.randint(2, 9))) for _ in range(COUNT)]


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Distill(Base):
    def setUp(self):
        super().setUp()
        self.texts = self.write("texts.txt", lines(texts()))

    def arguments(self, output, *more):
        return ["distill", "--teacher", MODEL, "--texts", self.texts, "--dim", DIM, "--batch", 32, "--epochs", 40,
                "--learning-rate", "0.03", "-o", output, *more]

    def distill(self, output, *more, **options):
        return json.loads(sutra(*self.arguments(output, *more), "--json", **options))

    def test_it_learns(self):
        report = self.distill(self.dir / "s")
        errors = {row["method"]: row["error %"] for row in report["students"]}
        self.assertEqual(list(errors), ["truncation", "random", "pca", "projection"])
        self.assertLess(errors["projection"], 0.8 * errors["random"])
        self.assertLess(errors["projection"], 0.8 * errors["truncation"])
        losses = {row["method"]: row["loss"] for row in report["students"]}
        self.assertLess(losses["projection"], losses["pca"])
        self.assertLess(losses["projection"], 0.2 * losses["random"])
        self.assertFalse((self.dir / "s.partial").exists())

    def test_static_teachers(self):
        """Their student is one too, where modules.json says so."""
        static = SOURCE / "tests/data/golden/static"
        given = ("--texts", self.texts, "--dim", DIM, "--epochs", 1, "-o")
        sutra("distill", "--teacher", static / "plain", *given, self.dir / "s", code=1, stderr="without modules.json")
        self.assertFalse((self.dir / "s").exists())
        sutra("distill", "--teacher", static / "module", *given, self.dir / "s")
        info = json.loads(sutra("info", "--json", self.dir / "s"))
        self.assertEqual((info["family"], info["dim"]), ("static-embedding", DIM))

    def test_the_student(self):
        """Its vectors are the teacher's by its matrix."""
        self.distill(self.dir / "s")
        given = files_of(Path(MODEL))
        found = files_of(self.dir / "s")
        self.assertEqual({k: v for k, v in given.items() if k != "modules.json"},
                         {k: v for k, v in found.items() if k in given and k != "modules.json"})
        modules = json.loads(found["modules.json"])
        self.assertEqual([m["idx"] for m in modules], list(range(len(modules))))
        place, = (i for i, m in enumerate(modules) if m["type"] == "sentence_transformers.models.Dense")
        weights = found[f"{modules[place]['path']}/model.safetensors"]
        size = int.from_bytes(weights[:8], "little")
        teacher = read_npy(sutra("embed", "-m", MODEL, "-i", self.texts, "--format", "npy"))[0]
        student = read_npy(sutra("embed", "-m", self.dir / "s", "-i", self.texts, "--format", "npy"))[0]
        width = len(teacher[0])
        values = memoryview(weights[8 + size:]).cast("f")
        self.assertEqual(len(values), DIM * width)
        for x, y in zip(teacher[:20], student[:20], strict=True):
            wanted = [sum(a * b for a, b in zip(x, values[i * width:(i + 1) * width], strict=True))
                      for i in range(DIM)]
            scale = sum(v * v for v in wanted) ** 0.5 / sum(v * v for v in y) ** 0.5
            for a, b in zip(wanted, y, strict=True):
                self.assertAlmostEqual(a / scale, b, delta=2e-6)
        sutra(*self.arguments(self.dir / "s.sutra"))
        self.assertEqual(sutra("embed", "-m", self.dir / "s.sutra", "-i", self.texts, "--format", "npy"),
                         sutra("embed", "-m", self.dir / "s", "-i", self.texts, "--format", "npy"))
        self.assertEqual(sorted(p.name for p in self.dir.glob("s*")), ["s", "s.sutra"])

    def test_a_static_student(self):
        """It learns; a text's vector is the mean of its tokens' rows, whatever its length."""
        report = self.distill(self.dir / "s", "--method", "static")
        losses = {row["method"]: row["loss"] for row in report["students"]}
        self.assertEqual(list(losses), ["tokens", "weighted", "static"])
        self.assertLess(losses["static"], 0.5 * min(losses["tokens"], losses["weighted"]))
        found = files_of(self.dir / "s")
        self.assertEqual(sorted(found), ["1_Normalize/config.json", "config_sentence_transformers.json",
                                         "model.safetensors", "modules.json", "tokenizer.json"])
        tokenizer = json.loads(found["tokenizer.json"])
        given = json.loads((Path(MODEL) / "tokenizer.json").read_bytes())
        self.assertEqual(tokenizer, {**given, "truncation": None, "padding": None})
        weights = found["model.safetensors"]
        size = int.from_bytes(weights[:8], "little")
        values = memoryview(weights[8 + size:]).cast("f")
        long = self.write("long.txt", lines([*texts()[:5], " ".join(texts())]))
        vectors = read_npy(sutra("embed", "-m", self.dir / "s", "-i", long, "--format", "npy"))[0]
        for line, vector in zip(sutra("tokenize", "-m", self.dir / "s", "--json", "-i", long).splitlines(), vectors,
                                strict=True):
            ids = json.loads(line)["ids"]
            mean = [sum(values[t * DIM + k] for t in ids) / len(ids) for k in range(DIM)]
            length = sum(v * v for v in mean) ** 0.5
            for a, b in zip(mean, vector, strict=True):
                self.assertAlmostEqual(a / length, b, delta=2e-6)
        for more in (["--threads", 1], ["--threads", 3], ["--resume"]):
            self.distill(self.dir / "again", "--method", "static", *more)
            self.assertEqual(files_of(self.dir / "again"), found)
            shutil.rmtree(self.dir / "again")
        self.distill(self.dir / "seed", "--method", "static", "--seed", 5)
        self.assertNotEqual(files_of(self.dir / "seed"), found)
        sutra(*self.arguments(self.dir / "s.sutra", "--method", "static"))
        self.assertEqual(sutra("embed", "-m", self.dir / "s.sutra", "-i", long, "--format", "npy"),
                         sutra("embed", "-m", self.dir / "s", "-i", long, "--format", "npy"))

    def test_same_bytes(self):
        """Whatever the number of threads, duplicates, and where the vectors come from."""
        self.distill(self.dir / "one", "--threads", 1)
        self.distill(self.dir / "three", "--threads", 3)
        wanted = files_of(self.dir / "one")
        self.assertEqual(files_of(self.dir / "three"), wanted)
        self.distill(self.dir / "seed", "--seed", 5)
        self.assertNotEqual(files_of(self.dir / "seed"), wanted)
        vectors = self.dir / "v.npy"
        sutra("embed", "-m", MODEL, "-i", self.texts, "-o", vectors)
        self.distill(self.dir / "known", "--vectors", vectors)
        self.assertEqual(files_of(self.dir / "known"), wanted)
        self.texts = self.write("twice.jsonl", lines([json.dumps({"t": t}) for t in texts() + texts()[:50]]))
        report = self.distill(self.dir / "twice", "--field", "t")
        self.assertEqual(files_of(self.dir / "twice"), wanted)
        totals = {row["what"]: row["value"] for row in report["totals"]}
        self.assertEqual((totals["different texts"], totals["duplicates"]), (COUNT - self.doubles(), 50 + self.doubles()))

    def doubles(self):
        return COUNT - len(set(texts()))

    def test_a_folder_of_the_hub(self):
        """A teacher of links to blobs: its files become the student's, but not what gives the teacher's vectors."""
        teacher, blobs = self.dir / "teacher", self.dir / "blobs"
        shutil.copytree(MODEL, blobs)
        for name in ("pytorch_model.bin", "README.md", "LICENSE", "onnx/model.onnx", ".cache/x", "sutra.json",
                     "3_Dense/more/x"):
            (blobs / name).parent.mkdir(parents=True, exist_ok=True)
            (blobs / name).write_text(f"{name} of the teacher\n")
        (blobs / "sutra.json").unlink()
        for path in blobs.rglob("*"):
            link = teacher / path.relative_to(blobs)
            link.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file():
                link.symlink_to(path)
        before = files_of(teacher)
        modules = json.loads(before["modules.json"])
        modules.insert(2, {"idx": 2, "name": "2", "path": "3_Dense", "type": "sentence_transformers.models.Dense"})
        self.distill(self.dir / "first")
        for name in ("config.json", "model.safetensors"):
            (blobs / "3_Dense" / name).write_bytes((self.dir / "first/2_Dense" / name).read_bytes())
            (teacher / "3_Dense" / name).symlink_to(blobs / "3_Dense" / name)
        (blobs / "modules.json").write_text(json.dumps(modules))
        before = files_of(teacher)
        self.distill(self.dir / "s", "--teacher", teacher, "--dim", 3)
        found = files_of(self.dir / "s")
        self.assertEqual(files_of(teacher), before)
        self.assertFalse([path for path in (self.dir / "s").rglob("*") if path.is_symlink()])
        self.assertEqual(found.pop("TEACHER.md"), before["README.md"])
        self.assertEqual(set(before) - set(found), {"pytorch_model.bin", "README.md", "onnx/model.onnx", ".cache/x"})
        self.assertEqual(set(found) - set(before), {"4_Dense/config.json", "4_Dense/model.safetensors"})
        self.assertEqual({k: v for k, v in before.items() if k in found and k != "modules.json"},
                         {k: v for k, v in found.items() if k in before and k != "modules.json"})
        self.assertEqual([m["path"] for m in json.loads(found["modules.json"])],
                         ["", "1_Pooling", "3_Dense", "4_Dense", "2_Normalize"])
        self.assertEqual(len(read_npy(sutra("embed", "-m", self.dir / "s", "-i", self.texts, "--format", "npy"))[0][0]), 3)

    def test_cut_vectors(self):
        other = self.dir / "other"
        shutil.copytree(MODEL, other)
        (other / "config_sentence_transformers.json").write_text('{"truncate_dim": 16}')
        sutra(*self.arguments(self.dir / "s", "--teacher", other), code=1, stderr=r"are cut to 16 elements \(truncate_dim\)")

    def test_nothing_learnt(self):
        sutra(*self.arguments(self.dir / "s", "--mse-weight", "1e38", "--seed", 0), stderr="nothing was learnt")

    def test_damage(self):
        """A bit of any part of what is kept."""
        arguments, kept = self.arguments(self.dir / "s", "--resume", "--learning-rate", "1e38"), self.dir / "s.partial"
        sutra(*arguments, code=1, stderr="not finite")
        source = random.Random(5)
        for name in ("state", "vectors-00000"):
            whole = (kept / name).read_bytes()
            for place in (0, 70, *(source.randrange(len(whole)) for _ in range(6)), len(whole) - 1):
                (kept / name).write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1:])
                sutra(*arguments, code=1, stderr=f"{name}: not a checkpoint of this program; remove .*s.partial to begin")
            (kept / name).write_bytes(whole)
        sutra(*arguments, code=1, stderr="not finite")

    def test_killed_anywhere(self):
        self.kill_and_resume(KILLS)

    def test_a_static_student_killed_anywhere(self):
        self.kill_and_resume(10, "--method", "static")

    def kill_and_resume(self, kills, *more):
        begin = time.monotonic()
        self.distill(self.dir / "whole", *more)
        wanted, duration = files_of(self.dir / "whole"), time.monotonic() - begin
        source, output, ended = random.Random(3), self.dir / "s", 0
        arguments = [PROGRAM, *map(str, self.arguments(output, "--resume", "--checkpoint", "1", *more))]
        for kill in range(kills):
            if kill % 5 == 0:
                shutil.rmtree(output, ignore_errors=True)
                shutil.rmtree(f"{output}.partial", ignore_errors=True)
            begin = time.monotonic()
            with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
                try:
                    message = run.communicate(timeout=source.uniform(0, 1.2 * duration))[1]
                    if kill % 5 == 0:  # the machine may be less busy than it was
                        duration = min(duration, time.monotonic() - begin)
                except subprocess.TimeoutExpired:
                    run.send_signal(signal.SIGKILL if kill % 2 else signal.SIGTERM)
                    message = run.communicate()[1]
            ended += run.returncode != 0
            exists = output.exists() and not Path(f"{output}.partial").exists()
            self.assertIn(run.returncode, (0, 1, -signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM), message)
            if run.returncode == 1:
                self.assertIn(b"it exists", message)
                self.assertTrue(exists)
            if kill % 5 == 4 and not exists:
                sutra(*arguments[1:], stderr="")
            if kill % 5 == 4 or exists:
                self.assertEqual(files_of(output), wanted)
        self.assertGreater(ended, 1)

    def test_another_run(self):
        """What was begun is not gone on with when anything else is asked for."""
        arguments = self.arguments(self.dir / "s", "--resume", "--learning-rate", "1e38")
        sutra(*arguments, code=1, stderr="the loss is not finite")
        self.assertTrue((self.dir / "s.partial").is_dir())
        sutra(*self.arguments(self.dir / "s", "--resume"), code=1,
              stderr=r"s\.partial was begun with learning-rate=1[e0-9.+]*, not learning-rate=0\.03; remove it to begin again")
        more = self.write("more.txt", lines(texts()[1:]))
        sutra(*arguments, "--texts", more, code=1, stderr="was begun with texts=[0-9a-f]+, not texts=")
        other = self.dir / "other"
        shutil.copytree(MODEL, other)
        (other / "tokenizer_config.json").write_bytes((other / "tokenizer_config.json").read_bytes() + b"\n")
        sutra(*arguments, "--teacher", other, code=1, stderr="was begun with tokenizer=[0-9a-f]+, not tokenizer=")
        (other / "config.json").write_bytes((other / "config.json").read_bytes() + b"\n")
        sutra(*arguments, "--teacher", other, code=1, stderr="was begun with teacher=[0-9a-f]+, not teacher=")
        sutra(*self.arguments(self.dir / "s"), code=1, stderr="s.partial is there, from a run that was ended")
        state = self.dir / "s.partial/state"
        state.write_bytes(state.read_bytes()[:-1])
        sutra(*arguments, code=1, stderr="state: not a checkpoint of this program; remove .*s.partial to begin again")


if __name__ == "__main__":
    main()
