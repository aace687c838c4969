"""What run.py measured as JSON and Markdown. A measure holds costs, one a round for each engine, less is better; what is
shown of a cost is `show(cost)`: texts a second, milliseconds."""

import statistics

MAIN = "sutra"
AGREE = 0.9999  # vectors whose cosine is below this are not the same work
AGREE_MEAN = {"bf16": 0.999, "int8": 0.98}  # likewise of the cosines' mean


def spread(values):
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Measure:
    """costs: {engine: [cost of each round]}, a peer's round beside Sutra's of the same number. hows: {engine: text}.
    flops: of the encoder for one cost in seconds, for the share of the ceiling; 0: none."""

    def __init__(self, name, unit, costs, show, hows=None, flops=0, digits=1):
        self.name, self.unit, self.costs, self.show = name, unit, costs, show
        self.hows, self.flops, self.digits = hows or {}, flops, digits

    def engine(self, name, gflops):
        costs = self.costs[name]
        entry = {**spread([self.show(c) for c in costs]), "values": [self.show(c) for c in costs],
                 "how": self.hows.get(name, ""), "ratio": None, "ceiling_share": None}
        if name != MAIN and MAIN in self.costs:
            entry["ratio"] = spread([theirs / ours for theirs, ours in zip(costs, self.costs[MAIN])])
        if self.flops:
            entry["ceiling_share"] = self.flops / statistics.median(costs) / (gflops * 1e9)
        return entry

    def report(self, gflops):
        peers = [name for name in self.costs if name != MAIN]
        return {"name": self.name, "unit": self.unit, "digits": self.digits,
                "engines": {name: self.engine(name, gflops) for name in self.costs},
                "best_peer": min(peers, key=lambda n: statistics.median(self.costs[n]), default=None)}


def throughput(row, seconds, hows):
    return Measure(row.name, "texts/s", seconds, lambda cost: len(row.texts) / cost, hows, row.flops)


def milliseconds(name, seconds, hows, flops=0, digits=2):
    return Measure(name, "ms", seconds, lambda cost: 1e3 * cost, hows, flops, digits)


def plain(name, unit, costs, hows=None):
    return Measure(name, unit, costs, lambda cost: cost, hows)


def ceiling(peak, compute):
    """Of a precision, in 1e9 operations a second: its fastest instruction, multiply-adds of floats among them."""
    kinds = {"fp32": {}, "bf16": peak["bf16_gflops"], "int8": peak["int8_gops"]}[compute]
    return max(peak["fp32_gflops"], *kinds.values(), 0)


def table(head, lines):
    return [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(line)} |" for line in lines)]


def figure(entry, digits):
    one = f"{entry['median']:.{digits}f}"
    return one if entry["low"] == entry["high"] else f"{one} ({entry['low']:.{digits}f}-{entry['high']:.{digits}f})"


def share(entry):
    return "" if entry["ceiling_share"] is None else f"{100 * entry['ceiling_share']:.0f} %"


def ratio(entry):
    return figure(entry["ratio"], 2) if entry["ratio"] else ""


def summary(report):
    lines = []
    for measure in report["measures"]:
        engines, best = measure["engines"], measure["best_peer"]
        if MAIN not in engines or best is None:
            continue
        ours, theirs, digits = engines[MAIN], engines[best], measure["digits"]
        lines.append([measure["name"], measure["unit"], figure(ours, digits), best, figure(theirs, digits),
                      ratio(theirs), share(ours), share(theirs)])
    return table(["work", "unit", "Sutra, median (range)", "best peer", "its figure", "Sutra is better by",
                  "Sutra's share of the ceiling", "the peer's"], lines)


def details(report):
    lines = [[measure["name"], name, f"{figure(entry, measure['digits'])} {measure['unit']}", ratio(entry),
              share(entry), entry["how"]]
             for measure in report["measures"] for name, entry in measure["engines"].items()]
    return table(["work", "engine", "median (range)", "Sutra is better by", "share of the ceiling",
                  "mode, batch size"], lines)


def differs(agreement, compute):
    if compute in AGREE_MEAN:
        return not agreement["row_mean"] >= AGREE_MEAN[compute]
    return not agreement["min_cosine"] >= AGREE


def engines(part):
    lines = []
    for name, engine in part["engines"].items():
        agree = engine["agreement"]
        lines.append([name, f"{agree['row_mean']:.6f}" + " **differs**" * differs(agree, part["compute"]),
                      f"{agree['row_min']:.6f}", f"{agree['min_cosine']:.6f}", f"{agree['max_difference']:.1e}",
                      f"{agree['sts']:.2f}", f"{round(agree['sts_drop'], 2) + 0:.2f}", f"{engine['query_p99_ms']:.2f}",
                      f"{engine['interpreter_mb']:.0f}", engine["version"]])
    row = next(iter(part["engines"].values()))["agreement"]["row"]
    return table(["engine", f"mean cosine to fp32 {MAIN}, {row}", "smallest", "smallest of all rows",
                  "largest difference", "STS-B, Spearman x 100", f"less than fp32 {MAIN}'s by", "query p99, ms",
                  "Python alone, MB", "version"], lines)


def ceilings(report):
    peak = report["peak"]
    sizes = [f"{r['kb_per_core']} KB" if r["kb_per_core"] < 1024 else f"{r['kb_per_core'] // 1024} MB"
             for r in peak["read"]]
    low, high = peak["fp32_range"]
    dots = [f"{name} dot product {kind} {rate:.0f} {unit}"
            for name, key, unit in (("bf16", "bf16_gflops", "GFLOP/s"), ("int8", "int8_gops", "Gop/s"))
            for kind, rate in peak[key].items()]
    return [f"Ceilings of {peak['threads']} threads at once, medians of a sample a round: "
            + "; ".join([f"fp32 multiply-add {peak['fp32_gflops']:.0f} GFLOP/s ({low:.0f}-{high:.0f})", *dots])
            + ". Reading, by working set of each thread:", "",
            *table(["", *sizes], [["GB/s", *(f"{r['gbs']:.0f}" for r in peak["read"])]])]


def part_markdown(part):
    missing = [f"Not measured: {name}: {reason}" for name, reason in part["failures"].items()]
    head = [f"## {part['compute']}", "",
            f"Shares are of {part['ceiling']:.0f} x 10^9 operations a second, the arithmetic of the texts' own tokens.",
            *missing, ""]
    return [*head, *summary(part), "", *details(part), "", *engines(part), ""]


def markdown(report):
    """Of a precision a part."""
    head = [f"{report['date']}, {report['processor']}, {report['threads']} threads, model {report['model']}, "
            f"{report['rounds']} interleaved rounds, load average before them {report['load']}.",
            f"Command: `{report['command']}`.", ""]
    parts = [line for part in report["parts"] for line in part_markdown(part)]
    return "\n".join([*head, *ceilings(report), "", *parts[:-1]]) + "\n"
