#!/usr/bin/env python3
"""A device against the processor: vectors of every golden model but static ones, of wider ones of each family and of the
default model; the same bytes in any batch; output types, poolings, token vectors, scores; NaN; lengths around tiles.

usage: tests/cuda/check_device.py --program build/release/sutra --library build/release/libsutra.so
           --plugins build/release/plugins [--device cuda:0] [--compute fp32,fp16,bf16] [--require] [--sanitizer]
           [--only WORD] [--checks vectors,company,outputs,nan,lengths]

Needs numpy. A line a check, with the worst that was found; ends with 1 when a check failed. Without the device it says so in
one line and ends with 77, with --require with 1. --sanitizer: `sutra embed` under compute-sanitizer instead.

fp32 is held to the largest difference of an element relative to the vector's norm, fp16 and bf16 to cosines with fp32 on the
processor. The golden models are tiny and have peaked attention: they have limits of their own (--tiny-…), and so have single
tokens' vectors (--token-…), each of which hangs on fewer sums than a text's.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

try:
    import numpy  # noqa: F401
except ImportError:
    sys.exit(f"check_device: {sys.executable} has no numpy")

import device_checks
import device_models as dm
from device_compare import Report
from device_engine import Engine, Library, NoDevice, Source
from device_sanitizer import check_sanitizer

ROOT = Path(__file__).resolve().parent.parent.parent
CHECKS = ("vectors", "company", "outputs", "nan", "lengths")
# Which golden variants have the checks that are about more than one pass through a model.
OUTPUTS = {*dm.SCALED, "prompt-excluded-cls", "prompt-excluded-max", "prompt-excluded-weighted", "dense", "dense-two",
           "layer-norm", "truncate-dim", "cls-normalized", "last-token", "wide-bf16"}
NAN = {*dm.SCALED, "sharded-f16", "wide-bf16", "nomic-published", "gte-published"}
LENGTHS = {*dm.SCALED, "long-f16", "sharded-f16", "wide-bf16", "modernbert-biases", "modernbert-every-second", "roberta-pad-7"}
WIDE = [(name, 384 // (48 if name == "jina" else 32), 32) for name in dm.SCALED] + [("base", 24, 64), ("modernbert", 24, 64),
                                                                                 ("nomic", 24, 64)]
SANITIZED = ("base", "mpnet", "modernbert", "nomic", "gte", "jina")
TOKEN = 70  # of golden models, gets the NaN
DEFAULT_TEXTS = 400


class Limits:
    """What is allowed, by the arguments."""

    def __init__(self, arguments):
        self.fp32_deviation, self.rare, self.rare_ranges = arguments.fp32_deviation, arguments.rare, arguments.rare_ranges
        self.company = arguments.company
        self.scores = {"fp16": arguments.score_fp16, "bf16": arguments.score_bf16}
        self.arguments = arguments

    def of(self, case, compute, kind, tokens):
        """kind: min or mean; tokens: of single tokens' vectors."""
        return getattr(self.arguments, f"{'token_' if tokens else 'tiny_' if case.tiny else ''}{compute}_{kind}")

    def fp32(self, tokens):
        return self.arguments.token_fp32_deviation if tokens else self.fp32_deviation


class Bench:
    """The engines; others: with other batches and threads."""

    def __init__(self, arguments, report):
        self.limits, self.report = Limits(arguments), report
        self.library = Library(arguments.library)
        self.cpu = Engine(self.library)
        with_device = {"devices": arguments.device, "plugins": arguments.plugins}
        self.device = Engine(self.library, **with_device)
        self.others = {"1 thread, 300 tokens a batch": Engine(self.library, threads=1, batch_tokens=300, **with_device),
                       "3 threads, 4,096 tokens a batch": Engine(self.library, threads=3, batch_tokens=4096, **with_device),
                       "100,000 tokens a batch": Engine(self.library, batch_tokens=100000, **with_device)}

    def close(self):
        for engine in (self.cpu, self.device, *self.others.values()):
            engine.close()


def default_case():
    """Of SUTRA_TEST_MODEL; passages of the shared data, or golden texts. None: it is not there."""
    folder = Path(os.environ.get("SUTRA_TEST_MODEL", ROOT / ".cache/model"))
    if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
        return None, f"no model at {folder} (SUTRA_TEST_MODEL)"
    passages = Path(os.environ.get("SUTRA_SHARED_DATA", ROOT.parent / "shared/data"), "passages.txt")
    texts = dm.read_json(dm.GOLDEN / "texts.json")
    if passages.is_file():
        with open(passages, encoding="utf-8") as lines:
            texts = [line.rstrip("\n") for _, line in zip(range(DEFAULT_TEXTS), lines)] + texts
    return dm.Case("default model", folder, [Source(text=text) for text in texts], tiny=False), None


def all_cases(work, wanted, report):
    """Yields (case, the checks it has). wanted(name): whether it is asked for."""
    for group, names in dm.golden_names().items():
        for name in names:
            if not wanted(f"reranker {name}" if group == "rerankers" else name):
                continue
            checks = {"vectors", "company"}
            if group == "variants":
                checks |= {check for check, of in (("outputs", OUTPUTS), ("nan", NAN), ("lengths", LENGTHS)) if name in of}
            yield dm.golden_case(group, name, work), checks
    for name, factor, head_size in WIDE:
        if wanted(f"{name}-x{factor}"):
            checks = {"vectors", "company", "nan", "lengths"} | ({"outputs"} if name == "base" else set())
            yield dm.write_scaled(name, factor, head_size, work), checks
    if wanted("default model"):
        case, reason = default_case()
        if case:
            yield case, set(CHECKS)
        else:
            report.leave_out("default model", reason)


def check_case(bench, case, checks, computes, work):
    models, compute = [], "fp32"

    def opened(folder, compute):
        models.append(bench.library.model(folder, compute))
        return models[-1]

    try:
        reference = opened(case.folder, "fp32")
        for compute in computes:
            model = opened(case.folder, compute)
            if "vectors" in checks:
                device_checks.check_vectors(bench, case, model, reference)
            if "company" in checks:
                device_checks.check_company(bench, case, model)
            if "outputs" in checks:
                device_checks.check_outputs(bench, case.some(64), model, reference)
            if "nan" in checks:
                spoilt = work / f"{case.name}-nan"
                if not spoilt.exists() and not dm.copy_with_nan(case.folder, spoilt, TOKEN):
                    raise RuntimeError("its token embedding was not found, which was to get a NaN")
                device_checks.check_nan(bench, case, model, opened(spoilt, compute), TOKEN)
            if "lengths" in checks:
                device_checks.check_lengths(bench, case, model, reference)
    except RuntimeError as error:
        bench.report.check(False, f"{case.name} {compute}", error)
    for model in models:
        model.close()


def parse_arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--program", default=str(ROOT / "build/release/sutra"))
    parser.add_argument("--library", default=str(ROOT / "build/release/libsutra.so"))
    parser.add_argument("--plugins", default=str(ROOT / "build/release/plugins"))
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--compute", default="fp32,fp16,bf16")
    parser.add_argument("--checks", default=",".join(CHECKS))
    parser.add_argument("--only", default="", help="models whose name has this word")
    parser.add_argument("--require", action="store_true", help="without the device: exit 1")
    parser.add_argument("--sanitizer", action="store_true")
    parser.add_argument("--fp32-deviation", type=float, default=2e-6)
    parser.add_argument("--rare", type=float, default=0.01, help="share of codes that may differ by a step")
    parser.add_argument("--rare-ranges", type=float, default=0.01)
    parser.add_argument("--company", type=int, default=40, help="texts of a model that meet others in batches")
    parser.add_argument("--token-fp32-deviation", type=float, default=4e-6)
    for compute, least, mean, tiny_least, tiny_mean, token_least in (("fp16", 0.9999, 0.9999, 0.9999, 0.9999, 0.9999),
                                                                     ("bf16", 0.9995, 0.9999, 0.999, 0.9998, 0.995)):
        parser.add_argument(f"--{compute}-min", type=float, default=least)
        parser.add_argument(f"--{compute}-mean", type=float, default=mean)
        parser.add_argument(f"--tiny-{compute}-min", type=float, default=tiny_least)
        parser.add_argument(f"--tiny-{compute}-mean", type=float, default=tiny_mean)
        parser.add_argument(f"--token-{compute}-min", type=float, default=token_least)
        parser.add_argument(f"--token-{compute}-mean", type=float, default=tiny_mean)
    parser.add_argument("--score-fp16", type=float, default=0.01)
    parser.add_argument("--score-bf16", type=float, default=0.05)
    arguments = parser.parse_args(argv)
    for name, allowed in (("compute", ("fp32", "fp16", "bf16")), ("checks", CHECKS)):
        for word in getattr(arguments, name).split(","):
            if word not in allowed:
                parser.error(f"--{name}: \"{word}\" is none of {', '.join(allowed)}")
    return arguments


def main(argv=None):
    arguments = parse_arguments(argv)
    report = Report(lambda line: print(line, flush=True))
    computes, checks = arguments.compute.split(","), set(arguments.checks.split(","))
    try:
        bench = Bench(arguments, report)
    except NoDevice as reason:
        print(f"check_device: no {arguments.device}: {reason}")
        return 1 if arguments.require else 77
    with tempfile.TemporaryDirectory(prefix="sutra-device-") as folder:
        work = Path(folder)
        if arguments.sanitizer:
            bench.close()
            cases = [dm.golden_case("variants", name, work) for name in SANITIZED if arguments.only in name]
            check_sanitizer(report, arguments.program, arguments.plugins, arguments.device, cases, computes)
            return report.summary()
        for case, has in all_cases(work, lambda name: arguments.only in name, report):
            check_case(bench, case, has & checks, computes, work)
        bench.close()
    return report.summary()


if __name__ == "__main__":
    sys.exit(main())
