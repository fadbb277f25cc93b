#!/usr/bin/python3
"""Write calibration.txt: scores, truth, what scikit-learn's logistic regression makes of their
logits, and how reliable they are by numpy.

Usage: /usr/bin/python3 test/reference/calibration.py > test/reference/calibration.txt

Numbers are in hexadecimal, so that they are exact. A prior is the same regression over each row
twice, as a positive and as a negative, weighted by the target and what it lacks of 1.
"""
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression

warnings.filterwarnings("ignore")  # newton-cg goes on after nothing can be gained
rng = np.random.default_rng(20250301)


def line(name, values):
    print(name, *(float(v).hex() for v in np.ravel(np.asarray(values, dtype=np.float64))))


def fit(z, target, shift):
    model = LogisticRegression(penalty="none", fit_intercept=shift, solver="newton-cg",
                               tol=1e-13, max_iter=10000)
    z = z.reshape(-1, 1)
    y = np.repeat([1, 0], len(z))
    weight = np.concatenate([target, 1 - target])
    kept = weight > 0
    model.fit(np.vstack([z, z])[kept], y[kept], sample_weight=weight[kept])
    return model.coef_[0, 0], model.intercept_[0] if shift else 0.0


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def bins_of(p, count, equal_count):
    if not equal_count:
        return np.minimum((p * count).astype(int), count - 1)
    # the bin of the lowest rank that has this score
    rank = np.searchsorted(np.sort(p), p, side="left")
    starts = np.arange(count) * len(p) // count
    return np.searchsorted(starts, rank, side="right") - 1


def reliability(p, y, count, equal_count):
    which = bins_of(p, count, equal_count)
    error = 0.0
    for b in range(count):
        inside = which == b
        if inside.any():
            error += inside.mean() * abs(p[inside].mean() - y[inside].mean())
    return error, np.mean((p - y) ** 2), np.bincount(which, minlength=count)


def case(name, scores, truth):
    scores = np.asarray(scores, dtype=np.float32)
    p = scores.astype(np.float64)
    n, labels = p.shape
    z = np.log(p) - np.log1p(-p)
    print("case", name, n, labels)
    line("scores", p)
    print("truth", "".join(str(v) for v in truth.ravel()))
    for shift in (True, False):
        common = fit(z.ravel(), truth.ravel().astype(float), shift)
        line("common", common)
        for shrinkage in (0.0, 20.0):
            for l in range(labels):
                positives = truth[:, l].sum()
                w = shrinkage / min(positives, n - positives)
                q = sigmoid(common[0] * z[:, l] + common[1])
                line("label", fit(z[:, l], (truth[:, l] + w * q) / (1 + w), shift))
    for count, equal_count in ((15, False), (10, False), (10, True), (7, True)):
        for l in range(-1, labels):
            chosen = slice(None) if l < 0 else slice(l, l + 1)
            error, brier, sizes = reliability(p[:, chosen].ravel(), truth[:, chosen].ravel(), count,
                                              equal_count)
            line("reliability", [error, brier])
            line("sizes", sizes)


def draw(n, scales, shifts, base):
    """Scores whose right calibration is scale z + shift."""
    z = rng.normal(base, 1.5, size=(n, len(scales)))
    truth = (rng.random(z.shape) < sigmoid(np.asarray(scales) * z + np.asarray(shifts))).astype(int)
    return sigmoid(z), truth


case("overconfident", *draw(300, [0.4, 0.6, 0.5], [0.2, -0.5, 0.0], -0.5))
case("rare", *draw(400, [1.5, 0.9], [0.5, 0.4], [-2.0, -4.0]))
p, y = draw(250, [0.8, 1.2], [0.1, -0.2], -1.0)
case("ties", np.clip(np.round(p, 1), 0.05, 0.95), y)
