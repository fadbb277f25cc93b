#!/usr/bin/python3
"""Write label_stats.txt: label sets and figures over them, straight from the formulas.

Usage: /usr/bin/python3 test/reference/label_stats.py > test/reference/label_stats.txt

Row by row, with products rather than logarithms, independently of the C code.
"""
import math
import random
import statistics

random.seed(20250118)


def line(name, values):
    print(name, *("nan" if math.isnan(v) else float(v).hex() for v in values))


def case(name, labels, rows, inputs):
    n = len(rows)
    count = [sum(l in row for row in rows) for l in range(labels)]
    irlbl = [max(count) / c if c else math.nan for c in count]
    present = [v for v in irlbl if not math.isnan(v)]
    mean_ir = statistics.fmean(present) if present else math.nan
    scumble = []
    for row in rows:
        values = [irlbl[l] for l in row]
        if len(values) <= 1:
            scumble.append(0.0)
        else:
            scumble.append(1 - math.prod(values) ** (1 / len(values)) / statistics.fmean(values))
    mean = statistics.fmean(scumble)
    distinct = {tuple(sorted(row)) for row in rows}
    print("case", name, labels, n, inputs)
    for row in rows:
        print("row", *sorted(row))
    line("count", count)
    line("irlbl", irlbl)
    line("label_scumble", [statistics.fmean([s for s, row in zip(scumble, rows) if l in row])
                           if count[l] else math.nan for l in range(labels)])
    line("cardinality", [statistics.fmean(len(row) for row in rows)])
    line("density", [statistics.fmean(len(row) for row in rows) / labels])
    line("label_sets", [len(distinct)])
    line("single_sets", [sum(sum(sorted(row) == list(d) for row in rows) == 1 for d in distinct)])
    line("mean_ir", [mean_ir])
    line("max_ir", [max(present) if present else math.nan])
    line("cvir", [statistics.stdev(present) / mean_ir if len(present) > 1 else math.nan])
    line("scumble", [mean])
    # equal values leave roundings in the product formula: they are 0
    line("scumble_cv", [statistics.stdev(scumble) / mean if n > 1 and mean > 1e-12 else math.nan])
    line("tcs", [math.log(inputs * labels * len(distinct))])


def draw(n, labels, skew, most):
    weights = [skew ** -l for l in range(labels)]
    return [set(random.choices(range(labels), weights, k=random.randint(0, most)))
            for _ in range(n)]


case("common_to_rare", 8, draw(150, 8, 1.6, 4), 1)
case("even", 5, draw(60, 5, 1.0, 3), 300)
case("labels_without_rows", 12, draw(40, 12, 3.0, 3), 1)
case("one_label_a_row", 4, [{random.randrange(4)} for _ in range(30)], 1)
case("one_label_at_all", 1, [{0}, set(), {0}], 2)
case("no_label_at_all", 3, [set(), set()], 1)
case("one_row", 4, [{1, 3}], 1)
case("all_labels_in_every_row", 3, [{0, 1, 2}] * 4, 1)
