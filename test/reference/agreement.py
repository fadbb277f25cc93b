#!/usr/bin/python3
"""Write agreement.txt: ratings and the agreement in them.

Usage: /usr/bin/python3 test/reference/agreement.py > test/reference/agreement.txt

Cohen's kappa by scikit-learn; Fleiss' kappa and Krippendorff's alpha by their definitions over
all pairs of ratings, in exact fractions.
"""
import itertools
import random
from fractions import Fraction

from sklearn.metrics import cohen_kappa_score

random.seed(20250120)


def fleiss(k, units):
    n = len(units[0])
    agreed = Fraction(sum(a == b for unit in units for a, b in itertools.permutations(unit, 2)),
                      len(units) * n * (n - 1))
    everything = [v for unit in units for v in unit]
    chance = sum(Fraction(everything.count(c), len(everything)) ** 2 for c in range(k))
    return (agreed - chance) / (1 - chance)


def alpha(units):
    units = [unit for unit in units if len(unit) > 1]
    everything = [v for unit in units for v in unit]
    n = len(everything)
    observed = sum(Fraction(sum(a != b for a, b in itertools.permutations(unit, 2)),
                            len(unit) - 1) for unit in units) / n
    expected = Fraction(sum(a != b for a, b in itertools.permutations(everything, 2)),
                        n * (n - 1))
    return 1 - observed / expected


def write(kind, k, units, value):
    print(kind, k, float(value).hex())
    for unit in units:
        print("unit", *unit)


def rate(k, n, truth, fault):
    return [truth if random.random() > fault else random.randrange(k) for _ in range(n)]


for k, n, fault in ((2, 40, 0.3), (5, 60, 0.2), (12, 200, 0.9), (3, 30, 0.0), (28, 300, 0.1)):
    units = [rate(k, 2, random.randrange(k), fault) for _ in range(n)]
    write("cohen", k, units, cohen_kappa_score(*zip(*units)))
for k, n, raters, fault in ((2, 20, 3, 0.4), (5, 30, 14, 0.7), (28, 60, 5, 0.1), (4, 25, 2, 1.0)):
    units = [rate(k, raters, random.randrange(k), fault) for _ in range(n)]
    write("fleiss", k, units, fleiss(k, units))
for k, n, fault in ((2, 20, 0.4), (5, 40, 0.3), (28, 60, 0.2), (3, 30, 1.0)):
    units = [rate(k, random.randrange(6), random.randrange(k), fault) for _ in range(n)]
    write("alpha", k, units, alpha(units))
