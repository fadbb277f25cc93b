#!/usr/bin/python3
"""Write balance.txt: small data sets and what the balancing methods must do to them.

Usage: /usr/bin/python3 test/reference/balance.py > test/reference/balance.txt

Straight from the methods' descriptions, row by row. Features are whole numbers, so that
distances are exact. In the lines, -1 stands between lists.
"""
import itertools
import math
import random
from collections import Counter

random.seed(20250119)


def irlbl(labels, rows):
    count = [sum(l in row for row in rows) for l in range(labels)]
    ir = {l: max(count) / c for l, c in enumerate(count) if c}
    return ir, sum(ir.values()) / len(ir)


def scumble(row, ir):
    values = [ir[l] for l in row]
    if len(set(values)) <= 1:
        return 0.0
    return 1 - math.prod(values) ** (1 / len(values)) / (sum(values) / len(values))


def nearest(features, i, pool, k):
    squared = [(sum((a - b) ** 2 for a, b in zip(features[i], features[j])), j)
               for j in pool if j != i]
    return [j for _, j in sorted(squared)[:k]]


def out(name, *lists):
    print(name, *list(itertools.chain.from_iterable([-1, *part] for part in lists))[1:])


def powerset(rows, percent, grow):
    size = Counter(tuple(sorted(row)) for row in rows)
    left = int(len(rows) * percent / 100)
    mean = len(rows) // len(size) if grow else -(-len(rows) // len(size))
    bags = [s for s in size if (size[s] < mean if grow else size[s] > mean)]
    bags.sort(key=lambda s: (-size[s] if grow else size[s], s))
    after = dict(size)
    for i, s in enumerate(bags):
        change = min(abs(mean - size[s]), left // (len(bags) - i))
        after[s] += change if grow else -change
        left -= change
    return after


def case(name, labels, rows, d, spread):
    features = [[random.randint(-spread, spread) for _ in range(d)] for _ in rows]
    # rows of a label lie together, more or less
    for row, x in zip(rows, features):
        for l in row:
            x[l % d] += 2 * spread
    ir, mean = irlbl(labels, rows)
    rare = [l for l in ir if ir[l] > mean]
    print("case", name, labels, len(rows), d)
    for row, x in zip(rows, features):
        out("row", sorted(row), x)
    out("rare", rare)
    for grow in (True, False):
        for percent in (10, 25, 60):
            after = powerset(rows, percent, grow)
            print("lp", int(grow), percent)
            for s in sorted(after):
                out("size", [after[s]], s)
    mean_scumble = sum(scumble(row, ir) for row in rows) / len(rows)
    for i, row in enumerate(rows):
        a = sorted(l for l in row if l in rare)
        b = sorted(l for l in row if l not in rare)
        if scumble(row, ir) > mean_scumble and a and b:
            out("half", [i], a, b)
    for k, threshold in ((3, 0.5), (5, 0.75), (1, 0.0)):
        gone = []
        for i, row in enumerate(rows):
            if not row or any(l in rare for l in row):
                continue
            near = nearest(features, i, range(len(rows)), k)
            unlike = sum((len(row ^ rows[j]) / (len(row) + len(rows[j]))
                          if row or rows[j] else 0) > threshold for j in near)
            if near and unlike >= len(near) / 2:
                gone.append(i)
        out("noise", [k, int(threshold * 100)], gone)
    for k in (1, 4, 5):
        for l in rare:
            bag = [i for i, row in enumerate(rows) if l in row]
            for i in bag if len(bag) > 1 else []:
                near = nearest(features, i, bag, k)
                votes = Counter(itertools.chain(rows[i], *(rows[j] for j in near)))
                voters = len(near) + 1
                out("smote", [k, l, i], near,
                    sorted(v for v in votes if votes[v] > voters / 2),
                    sorted(votes), sorted(v for v in votes if votes[v] == voters))


def draw(n, labels, skew, most):
    weights = [skew ** -l for l in range(labels)]
    return [set(random.choices(range(labels), weights, k=random.randint(0, most)))
            for _ in range(n)]


case("skewed", 6, draw(120, 6, 2.0, 3), 9, 6)
case("many_labels", 20, draw(150, 20, 1.2, 5), 20, 3)
case("single_labels", 5, [{min(4, int(random.expovariate(1)))} for _ in range(80)], 3, 4)
case("ties", 4, draw(60, 4, 2.5, 2), 1, 1)
case("unused_labels", 9, draw(40, 9, 3.0, 3), 70, 2)
