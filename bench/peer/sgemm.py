#!/usr/bin/python3
"""GFLOP/s of OpenBLAS's sgemm on so many threads: the peak that shares are of.

  bench/peer/sgemm.py [THREADS]
"""
import os
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = sys.argv[1] if len(sys.argv) > 1 else "1"

import numpy  # noqa: E402

SIZE = 1536
a = numpy.random.default_rng(1).random((SIZE, SIZE), numpy.float32)
best = 0.0
for _ in range(int(os.environ.get("TRIALS") or 30)):
    begin = time.perf_counter()
    a @ a
    best = max(best, 2e-9 * SIZE ** 3 / (time.perf_counter() - begin))
print("%.1f" % best)
