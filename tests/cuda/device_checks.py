"""The checks of a device, each of one model in one precision: vectors, company of a batch, output types, NaN, lengths.

`bench` is what check_device.py sets up: .device (an engine with the device), .others (more of them, with other batch sizes
and threads), .cpu (an engine with the processor), .limits (its arguments), .report.
"""

import random
import threading

import numpy as np

import device_compare as dc
import device_engine as de
from device_engine import Source

TOKENS_OF_SOME = 24  # texts whose token vectors are looked at
CALLERS = 8
EDGES = (16, 32, 64, 128)


def failed_inputs(outcome):
    return sum(status != de.OK for status in outcome.statuses)


def exact(bench, reference, what, sources, **options):
    """The processor's in fp32, once for all precisions of the device. what: tells lists of sources of one model apart."""
    key = (what, len(sources), *sorted(options.items()))
    if key not in reference.kept:
        reference.kept[key] = bench.cpu.embed(reference, sources, **options)
    return reference.kept[key]


def judge(bench, case, compute, name, found, expected, what="vectors", tokens=False):
    """found, expected: matrices of floats, of the device in `compute` and of the processor in fp32; tokens: one each."""
    limits = bench.limits
    if compute == "fp32":
        worst = dc.deviation(found, expected)
        return bench.report.check(worst <= limits.fp32(tokens), name,
                                  f"{len(expected)} {what}, largest deviation {worst:.2e} of the norm")
    cosines = dc.cosines(found, expected)
    least, mean = float(np.min(cosines)), float(np.mean(cosines))
    good = least >= limits.of(case, compute, "min", tokens) and mean >= limits.of(case, compute, "mean", tokens)
    return bench.report.check(good, name, f"{len(expected)} {what}, cosine least {least:.6f}, mean {mean:.6f}")


def judge_scores(bench, compute, name, found, expected):
    worst = float(np.max(np.nan_to_num(np.abs(found - expected), nan=np.inf)))
    limit = bench.limits.fp32_deviation if compute == "fp32" else bench.limits.scores[compute]
    return bench.report.check(worst <= limit, name, f"{len(expected)} scores, largest difference {worst:.2e}")


def check_vectors(bench, case, model, reference):
    """Against the processor in fp32. Returns False where the device's are of no use for more checks."""
    name = f"{case.name} {model.compute} vectors"
    if case.reranker:
        good = True
        for raw in (0, 1):
            expected = exact(bench, reference, "case", case.sources, output=de.SCORES, raw_scores=raw)
            found = bench.device.embed(model, case.sources, de.SCORES, raw_scores=raw)
            if failed_inputs(found) > failed_inputs(expected):
                return bench.report.check(False, name, found.message)
            good &= judge_scores(bench, model.compute, f"{case.name} {model.compute} {'logits' if raw else 'scores'}",
                                 found.matrix(), expected.matrix())
        return good
    expected = exact(bench, reference, "case", case.sources)
    found = bench.device.embed(model, case.sources)
    if found.statuses != expected.statuses:
        return bench.report.check(False, name, f"statuses differ from the processor's: {found.message}")
    return judge(bench, case, model.compute, name, found.matrix(), expected.matrix())


def company(sources, seed):
    """{name: [batches, each a list of places in sources]}"""
    chance, places = random.Random(seed), list(range(len(sources)))
    crowd = places * (300 // len(places) + 1)
    chance.shuffle(crowd)
    shuffled = chance.sample(places, len(places))
    return {"alone": [[i] for i in places],
            "in pairs": [places[i:i + 2] for i in range(0, len(places), 2)],
            "in another order": [shuffled],
            "in a batch of 300": [crowd[:300]]}


def check_company(bench, case, model):
    """The same bytes whatever a text shares its batch with."""
    sources = case.sources[:bench.limits.company]
    output = de.SCORES if case.reranker else de.POOLED
    expected = bench.device.embed(model, sources, output).bytes()
    differing = []
    for way, batches in company(sources, len(case.name)).items():
        for batch in batches:
            found = bench.device.embed(model, [sources[i] for i in batch], output).bytes()
            differing += [f"{way}, text {i}" for i, row in zip(batch, found) if row != expected[i]]
    for name, engine in bench.others.items():
        found = engine.embed(model, sources * 3, output).bytes()
        differing += [f"{name}, text {i % len(sources)}" for i, row in enumerate(found) if row != expected[i % len(sources)]]
    differing += by_several_callers(bench, model, sources, output, expected)
    if not case.reranker:
        some = sources[:TOKENS_OF_SOME]
        together = bench.device.embed(model, some, de.TOKENS, normalize=2).bytes()
        for i, source in enumerate(some):
            if bench.device.embed(model, [source], de.TOKENS, normalize=2).bytes()[0] != together[i]:
                differing.append(f"token vectors alone, text {i}")
    ways = 5 + len(bench.others)
    bench.report.check(not differing, f"{case.name} {model.compute} company of a batch",
                       f"{len(sources)} texts, {ways} ways" +
                       (f", {len(differing)} differ, first {differing[0]}" if differing else ", the same bytes"))


def by_several_callers(bench, model, sources, output, expected):
    """Threads that call at the same time; what differs."""
    differing = []

    def call(seed):
        places = random.Random(seed).sample(range(len(sources)), len(sources))
        try:
            for begin in range(0, len(places), 7):
                batch = places[begin:begin + 7]
                found = bench.device.embed(model, [sources[i] for i in batch], output).bytes()
                differing.extend(f"{CALLERS} callers, text {i}" for i, row in zip(batch, found) if row != expected[i])
        except RuntimeError as error:
            differing.append(f"{CALLERS} callers: {error}")

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return differing


class Rows:
    """Float rows of one model by the device and by the processor, each computed once."""

    def __init__(self, bench, model, reference):
        self.bench, self.model, self.reference, self.kept = bench, model, reference, {}

    def of(self, case, options):
        """(the device's, the processor's)"""
        key = (len(case.sources), *sorted(options.items()))
        if key not in self.kept:
            self.kept[key] = (self.bench.device.embed(self.model, case.sources, **options),
                              exact(self.bench, self.reference, "case", case.sources, **options))
        return self.kept[key]


class Codes:
    """Of one type: codes against those that the floats of the same device give, and in fp32 against those of the
    processor's floats."""

    def __init__(self, rows, dtype):
        self.rows, self.dtype, self.own, self.processor = rows, dtype, dc.CodeDifference(), dc.CodeDifference()

    def add(self, case, **options):
        bench, model = self.rows.bench, self.rows.model
        floats, exact = self.rows.of(case, options)
        found = bench.device.embed(model, case.sources, dtype=self.dtype, **options)
        for row, own, processor in zip(found.rows, floats.rows, exact.rows):
            self.own.add(row, dc.convert(own, self.dtype), self.dtype, own, 0.0)
            if model.compute == "fp32":
                slack = bench.limits.fp32_deviation * float(np.max(np.linalg.norm(processor, axis=1), initial=0))
                self.processor.add(row, dc.convert(processor, self.dtype), self.dtype, processor, slack)

    def judge(self, name):
        bench, figures = self.rows.bench, f"of its own floats {self.own}"
        good = self.own.good(bench.limits.rare)
        if self.rows.model.compute == "fp32":
            figures += f"; of the processor's {self.processor}"
            good = good and self.processor.good(bench.limits.rare)
        bench.report.check(good, name, figures)


class Floats:
    """Of one model: float rows beside the processor's, by any options. Deviations of rows that were cut are taken as
    those of the whole vector, whose norm is larger."""

    def __init__(self, rows, tokens=False):
        self.rows, self.bench, self.model, self.tokens = rows, rows.bench, rows.model, tokens
        self.worst, self.cosines, self.ways, self.problem = (0.0, ""), [], 0, None

    def add(self, case, whole, what, **options):
        """whole: elements of a vector that is not cut."""
        found, expected = self.rows.of(case, options)
        self.ways += 1
        if found.statuses != expected.statuses:
            self.problem = self.problem or f"{what}: statuses differ from the processor's: {found.message}"
            return
        found, expected = found.matrix(), expected.matrix()
        share = 1.0 if expected.shape[1] == whole else np.sqrt(expected.shape[1] / whole)
        self.worst = max(self.worst, (dc.deviation(found, expected) * share, what))
        self.cosines.append((float(np.min(dc.cosines(found, expected))), float(np.mean(dc.cosines(found, expected))), what))

    def judge(self, case, name):
        compute, limits = self.model.compute, self.bench.limits
        if self.problem:
            self.bench.report.check(False, name, self.problem)
        elif compute == "fp32":
            self.bench.report.check(self.worst[0] <= limits.fp32(self.tokens), name,
                                    f"{self.ways} ways, largest deviation {self.worst[0]:.2e} of the norm ({self.worst[1]})")
        else:
            least, least_mean = min(self.cosines), min(mean for _least, mean, _what in self.cosines)
            good = (least[0] >= limits.of(case, compute, "min", self.tokens) and
                    least_mean >= limits.of(case, compute, "mean", self.tokens))
            self.bench.report.check(good, name, f"{self.ways} ways, cosine least {least[0]:.6f} ({least[2]}), "
                                    f"least mean {least_mean:.6f}")


def check_outputs(bench, case, model, reference):
    """Poolings, dimensions, normalisation; token vectors; types."""
    name, hidden = f"{case.name} {model.compute}", model.info.hidden_size
    whole = bench.cpu.embed(reference, case.sources[:1]).matrix().shape[1]
    dims = [0, *sorted({max(1, whole // 2), max(1, whole // 3) | 1} - {whole})]
    some, rows = case.some(TOKENS_OF_SOME), Rows(bench, model, reference)
    vectors, states = Floats(rows), Floats(rows, tokens=True)
    for word, normalize in de.NORMALIZES.items():
        for kept in dims:
            vectors.add(case, whole, f"normalise {word}, dim {kept or whole}", dim=kept, normalize=normalize)
        for how, pooling in de.POOLINGS.items():
            vectors.add(case, whole, f"{how}, normalise {word}", normalize=normalize, pooling=pooling)
        for kept in (0, max(1, hidden // 2)):
            states.add(some, hidden, f"normalise {word}, dim {kept or hidden}", output=de.TOKENS, normalize=normalize, dim=kept)
    vectors.judge(case, f"{name} poolings, dimensions, normalisation")
    states.judge(case, f"{name} token vectors")
    for dtype_name, dtype in de.DTYPES.items():
        if dtype == de.F32:
            continue
        codes = Codes(rows, dtype)
        for kept in dims:
            for normalize in de.NORMALIZES.values():
                codes.add(case, dim=kept, normalize=normalize)
        for kept in (0, max(1, hidden // 2)):
            codes.add(some, output=de.TOKENS, normalize=1, dim=kept)
        codes.judge(f"{name} {dtype_name}")
    check_ranges(bench, case, model, reference)


def check_ranges(bench, case, model, reference):
    """uint8 and int8 with ranges: in fp32 against the processor's codes, else against those of the same device's floats. A
    device may say that it has none."""
    name = f"{case.name} {model.compute} ranges"
    rows = bench.cpu.embed(reference, case.sources, normalize=1).matrix().astype(np.float32)
    span = rows.max(0) - rows.min(0)  # ends that are no element's, which would be between two codes
    ranges = np.ascontiguousarray(np.stack([rows.min(0) - 0.013 * span, rows.max(0) + 0.017 * span]).astype(np.float32))
    own = rows if model.compute == "fp32" else bench.device.embed(model, case.sources, normalize=1).matrix().astype(np.float32)
    for dtype_name in ("int8", "uint8"):
        dtype = de.DTYPES[dtype_name]
        expected = bench.cpu.embed(reference, case.sources, dtype=dtype, normalize=1, ranges=ranges)
        wanted = expected.rows if model.compute == "fp32" else [row[None] for row in dc.range_codes(own, ranges, dtype)]
        try:
            found = bench.device.embed(model, case.sources, dtype=dtype, normalize=1, ranges=ranges)
        except RuntimeError as error:
            bench.report.leave_out(f"{name} {dtype_name}", str(error))
            continue
        if set(found.statuses) == {de.UNSUPPORTED}:
            bench.report.leave_out(f"{name} {dtype_name}", found.message)
            continue
        difference = dc.CodeDifference()
        for status, row, want, of in zip(expected.statuses, found.rows, wanted, own):
            if status == de.OK:  # rows of the others are zeros, which are no codes of zeros
                difference.add(row, want, dtype, of[None], 0.0)
        good = difference.good(bench.limits.rare_ranges) and found.statuses == expected.statuses
        bench.report.check(good, f"{name} {dtype_name}",
                           f"{difference}{' of its own floats' if model.compute != 'fp32' else ''}")


def check_nan(bench, case, model, spoilt, token):
    """spoilt: the model with a NaN in the embedding of `token`, which every third of the texts has."""
    chance, sources, problems = np.random.default_rng(11), [], []
    for i in range(30):
        ids = chance.integers(0, model.info.vocab_size, 1 + 3 * i % min(model.longest(), 60), dtype=np.int32)
        ids[ids == token] = token - 1
        if i % 3 == 1:
            ids[chance.integers(len(ids))] = token
        sources.append(Source(ids=ids, prompt=""))
    good = bench.device.embed(model, sources).bytes()
    for times in (1, 10):
        found = bench.device.embed(spoilt, sources * times)
        for at, (status, row) in enumerate(zip(found.statuses, found.bytes())):
            text, wanted = at % len(sources), de.NUMERIC if at % 3 == 1 else de.OK
            if status != wanted:
                problems.append(f"text {text} has status {status} in place of {wanted}")
            elif wanted == de.OK and row != good[text]:
                problems.append(f"text {text} has another vector than without the NaN")
    bench.report.check(not problems, f"{case.name} {model.compute} NaN in one token's embedding",
                       f"{len(problems)} wrong, first: {problems[0]}" if problems else
                       "10 of 30 texts fail, the others have their bytes")


def edge_lengths(longest):
    """Numbers of tokens around multiples of tiles, and all small ones."""
    found = set(range(1, min(longest, 20) + 1)) | {longest - 1, longest}
    for tile in EDGES:
        for multiple in range(tile, longest + 1, tile if longest <= 300 else max(tile, 64)):
            found |= {multiple - 1, multiple, multiple + 1}
    return sorted(n for n in found if 1 <= n <= longest)


def check_lengths(bench, case, model, reference):
    name, chance = f"{case.name} {model.compute} lengths", np.random.default_rng(7)
    lengths = edge_lengths(model.longest())
    sources = [Source(ids=chance.integers(0, model.info.vocab_size, n, dtype=np.int32), prompt="") for n in lengths]
    expected = exact(bench, reference, "lengths", sources)
    found = bench.device.embed(model, sources)
    if found.statuses != expected.statuses:
        bench.report.check(False, name, f"statuses differ from the processor's: {found.message}")
        return
    judge(bench, case, model.compute, name, found.matrix(), expected.matrix(), f"lengths up to {lengths[-1]}")
    states = bench.device.embed(model, sources, de.TOKENS, normalize=2)
    judge(bench, case, model.compute, f"{name}, token vectors", states.matrix(),
          exact(bench, reference, "lengths", sources, output=de.TOKENS, normalize=2).matrix(), "token vectors", tokens=True)
    alone = [bench.device.embed(model, [source]).bytes()[0] for source in sources]
    differing = [lengths[i] for i, (a, b) in enumerate(zip(alone, found.bytes())) if a != b]
    bench.report.check(not differing, f"{name}, alone", f"{len(lengths)} lengths, " +
                       (f"{len(differing)} differ from the batch's, first {differing[0]} tokens" if differing
                        else "the bytes of the batch"))
