#!/usr/bin/python3
"""Write metrics_sklearn.txt: scores, truth and what scikit-learn makes of them.

Usage: /usr/bin/python3 test/reference/metrics_sklearn.py > test/reference/metrics_sklearn.txt

Scores are float32 in hexadecimal, so that they are exact; the figures are
computed from them as doubles. Where scikit-learn gives a number for what has no
value (ROC-AUC of one class, average precision without positives), nan stands.
"""
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20250117)


def line(name, values):
    values = np.atleast_1d(np.asarray(values, dtype=np.float64))
    print(name, *("nan" if np.isnan(v) else float(v).hex() for v in values))


def calibration_error(p, y, bins=15):
    which = np.digitize(p, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    total = 0.0
    for b in range(bins):
        inside = which == b
        if inside.any():
            total += inside.sum() * abs(p[inside].mean() - y[inside].mean())
    return total / p.size


def case(name, scores, truth, thresholds):
    scores = np.asarray(scores, dtype=np.float32)
    thresholds = np.asarray(thresholds, dtype=np.float32)
    truth = np.asarray(truth, dtype=int)
    n, labels = scores.shape
    p = scores.astype(np.float64)
    predicted = (scores >= thresholds).astype(int)

    print("case", name, n, labels)
    line("thresholds", thresholds)
    for i in range(n):
        line("scores", p[i])
    for i in range(n):
        print("truth", "".join(str(v) for v in truth[i]))

    per_label = m.precision_recall_fscore_support(truth, predicted, average=None, zero_division=0)
    line("label_precision", per_label[0])
    line("label_recall", per_label[1])
    line("label_f1", per_label[2])
    line("label_support", per_label[3])
    line("label_predicted", predicted.sum(axis=0))
    line("label_true_positive", (predicted & truth).sum(axis=0))
    line("label_accuracy", [m.accuracy_score(truth[:, l], predicted[:, l]) for l in range(labels)])
    both = [0 < truth[:, l].sum() < n for l in range(labels)]
    auc = np.array([m.roc_auc_score(truth[:, l], p[:, l]) if both[l] else np.nan
                    for l in range(labels)])
    ap = np.array([m.average_precision_score(truth[:, l], p[:, l])
                   if truth[:, l].any() else np.nan for l in range(labels)])
    line("label_roc_auc", auc)
    line("label_average_precision", ap)
    for average in ("micro", "macro", "weighted", "samples"):
        line(average, m.precision_recall_fscore_support(
            truth, predicted, average=average, zero_division=0)[:3])
    if any(both):
        keep = np.array(both)
        line("macro_roc_auc", m.roc_auc_score(truth[:, keep], p[:, keep], average="macro")
             if keep.sum() > 1 else auc[keep])
    else:
        line("macro_roc_auc", np.nan)
    line("labels_with_auc", sum(both))
    has = truth.any(axis=0)
    line("macro_average_precision", ap[has].mean() if has.any() else np.nan)
    line("hamming_loss", m.hamming_loss(truth, predicted))
    line("subset_accuracy", m.accuracy_score(truth, predicted))
    line("log_loss", np.mean([m.log_loss(truth[:, l], p[:, l], labels=[0, 1], eps=1e-15)
                              for l in range(labels)]))
    line("calibration_error", calibration_error(p.ravel(), truth.ravel()))


def draw(n, labels, base, strength=1.5, steps=None):
    truth = (rng.random((n, labels)) < base).astype(int)
    z = rng.normal(size=(n, labels)) + strength * truth + np.log(base / (1 - base))
    p = 1 / (1 + np.exp(-z))
    if steps:
        p = np.round(p * steps) / steps
    return p.astype(np.float32), truth


print("# scikit-learn", sklearn.__version__)
s, t = draw(120, 3, np.array([.4, .2, .1]))
case("smooth", s, t, [.5, .3, .2])
s, t = draw(90, 7, np.linspace(.05, .6, 7), steps=8)
case("many_ties_and_exact_0_and_1", s, t, [.5, .25, .125, .375, .5, 0, 1])
s, t = draw(70, 30, np.geomspace(.01, .5, 30))
case("thirty_labels_some_empty", s, t, np.full(30, .3))
s, t = draw(40, 4, np.array([.3, .3, .3, .3]))
t[:, 1] = 0
t[:, 2] = 1
case("no_positives_and_all_positives", s, t, [.3, .3, .3, .3])
t[:] = 0
case("nothing_true", s, t, [.3, .3, .3, .3])
case("nothing_predicted", s, 1 - t, [1, 1, 1, 1])
case("one_row", [[.2, .7, .7, 0, 1]], [[0, 1, 0, 1, 1]], [.5, .5, .5, .5, .5])
s, t = draw(25, 3, np.array([.5, .3, .1]))
case("equal_scores", np.full((25, 3), .25), t, [.25, .5, .2])
case("hard_zeros_and_ones", (s > .3).astype(np.float32), t, [.5, .5, .5])
case("score_at_threshold", np.full((25, 3), np.float32(.3)), t, [.3, .3, .3])
case("perfect", t * .8 + .1, t, [.5, .5, .5])
case("reversed", .9 - t * .8, t, [.5, .5, .5])
