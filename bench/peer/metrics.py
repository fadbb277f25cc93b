#!/usr/bin/python3
"""The figures of emotion_metrics by scikit-learn, rows read from the database.

  bench/peer/metrics.py ROWS      of table bench_scores; prints milliseconds
"""
import io
import struct
import sys
import time

import numpy
import psycopg2
from sklearn.metrics import average_precision_score, f1_score, hamming_loss, roc_auc_score


def read(cursor, rows):
    """(truth, scores), by COPY in its binary format: of rows of one size, which arrays of floats make."""
    copied = io.BytesIO()
    cursor.copy_expert("""COPY (SELECT (SELECT array_agg((name = ANY (labels))::int::real ORDER BY n)
        FROM unnest(emotion_label_names()) WITH ORDINALITY AS u (name, n)), scores
        FROM bench_scores LIMIT %d) TO STDOUT BINARY""" % rows, copied)
    raw = copied.getvalue()
    labels, = struct.unpack(">i", raw[19 + 2 + 4 + 12:19 + 2 + 4 + 16])
    array = [("head", ">i4", (6,)), ("items", [("size", ">i4"), ("value", ">f4")], (labels,))]
    row = numpy.dtype([("fields", ">i2"), ("truth", array), ("scores", array)])
    found = numpy.frombuffer(raw, row, rows, 19)
    return (found["truth"]["items"]["value"].astype(numpy.int8),
            found["scores"]["items"]["value"].astype(numpy.float32))


def main():
    cursor = psycopg2.connect("").cursor()
    begin = time.perf_counter()
    truth, scores = read(cursor, int(sys.argv[1]))
    predicted = scores >= 0.5
    seen = truth.any(0)
    roc_auc_score(truth[:, seen], scores[:, seen], average="macro")
    average_precision_score(truth[:, seen], scores[:, seen], average="macro")
    for average in ("macro", "micro", "weighted", "samples"):
        f1_score(truth, predicted, average=average, zero_division=0)
    hamming_loss(truth, predicted)
    print("%.1f" % (1000 * (time.perf_counter() - begin)))


main()
