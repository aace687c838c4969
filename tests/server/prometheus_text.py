"""A strict reader of Prometheus' text format 0.0.4, as far as `sutra serve` uses it: raises ValueError for all else.

Strict: every metric has one HELP and one TYPE before its samples, which stand together; names of counters end with _total;
no sample is there twice; buckets of a histogram are in order, never fall, end with +Inf, and agree with _count.
"""

import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")


def require(condition, what):
    if not condition:
        raise ValueError(what)


def read_labels(text):
    labels, place = [], 0
    while place < len(text):
        found = LABEL.match(text, place)
        require(found, f"labels {text}")
        labels.append((found[1], found[2]))
        place = found.end()
        if place < len(text):
            require(text[place] == "," and place + 1 < len(text), f"labels {text}")
            place += 1
    require(len(dict(labels)) == len(labels), f"labels {text}")
    return tuple(sorted(labels))


def check_histogram(name, samples):
    bounds = [(float(dict(labels)["le"]), value) for (series, labels), value in samples.items() if series == f"{name}_bucket"]
    require(bounds and bounds[-1][0] == float("inf"), f"{name}: no +Inf")
    require(all(a[0] < b[0] and a[1] <= b[1] for a, b in zip(bounds, bounds[1:])), f"{name}: order of buckets")
    require(samples[f"{name}_count", ()] == bounds[-1][1] and (f"{name}_sum", ()) in samples, f"{name}: count and sum")


def parse(text):
    """{(name, ((label, value), …)): number}"""
    require(text.endswith("\n") and "\n\n" not in text, "lines")
    kinds, samples, current, helped = {}, {}, None, None
    for line in text.split("\n")[:-1]:
        comment = re.fullmatch(rf"# (HELP|TYPE) ({NAME}) (.+)", line)
        if comment and comment[1] == "HELP":
            require(comment[2] not in kinds, line)
            helped = comment[2]
        elif comment:
            require(comment[2] == helped and comment[3] in ("counter", "gauge", "histogram"), line)
            require(comment[3] != "counter" or helped.endswith("_total"), line)
            current, helped = comment[2], None
            kinds[current] = comment[3]
        else:
            found = SAMPLE.fullmatch(line)
            require(found and current, line)
            allowed = [f"{current}_{end}" for end in ("bucket", "sum", "count")] if kinds[current] == "histogram" else [current]
            require(found[1] in allowed, line)
            key = found[1], read_labels(found[2] or "")
            require(key not in samples, line)
            samples[key] = float(found[3])
            require(samples[key] >= 0, line)
    require(len({name.removesuffix("_total") for name in kinds}) == len(kinds), "a counter named as another metric is, but for _total")
    for name, kind in kinds.items():
        if kind == "histogram":
            check_histogram(name, samples)
    return samples
