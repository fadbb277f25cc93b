#!/usr/bin/python3
"""GFLOP/s of OpenBLAS's sgemm: the peak that shares are of.

  bench/peer/sgemm.py [PROCESSES]    so many at the same time, a thread each, together
"""
import os
import subprocess
import sys
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"
processes = int(sys.argv[1]) if len(sys.argv) > 1 else 1
if processes > 1:
    running = [subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
               for _ in range(processes)]
    print("%.1f" % sum(float(process.communicate()[0]) for process in running))
    sys.exit()

import numpy  # noqa: E402

SIZE = 1536
a = numpy.random.default_rng(1).random((SIZE, SIZE), numpy.float32)
best = 0.0
for _ in range(int(os.environ.get("TRIALS") or 30)):
    begin = time.perf_counter()
    a @ a
    best = max(best, 2e-9 * SIZE ** 3 / (time.perf_counter() - begin))
print("%.1f" % best)
