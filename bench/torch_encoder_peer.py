#!/usr/bin/python3
"""The encoder at DistilRoBERTa's size in PyTorch, at the best setting that we found for it: what
bench_encoder is compared with, in numbers and in speed.

  /usr/bin/python3 bench/torch_encoder_peer.py FILE [--texts 228] [--batch 57] [--threads 2]
      [--seconds 20]

Writes FILE (safetensors: random weights, texts of about 18 tokens, their logits) for
build/bench/bench_encoder FILE, and prints texts/s: the best and the median round. 0 seconds: only
the file.

OpenBLAS gets one thread, PyTorch's own OpenMP pool the others: otherwise the two pools fight. Texts
are sorted by length before they are cut into batches, so that next to nothing is padding.
"""
import argparse
import os
import random
import statistics
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("file")
parser.add_argument("--texts", type=int, default=228)
parser.add_argument("--batch", type=int, default=57)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seconds", type=float, default=20)
options = parser.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before PyTorch is loaded, or it is too late
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402

sys.path.insert(0, str(Path(__file__).parent.parent / "test" / "reference"))
from torch_encoder import Classifier, padded, write  # noqa: E402

SIZES = {"vocabulary": 50265, "hidden": 768, "layers": 6, "heads": 12, "intermediate": 3072,
         "positions": 514, "labels": 28}

torch.set_num_threads(options.threads)
torch.manual_seed(1)
dice = random.Random(1)
network = Classifier(SIZES).eval()
with torch.no_grad():
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            parameter.normal_(0, 0.05)  # wider than a fresh network's: attention has something to say
        else:
            parameter.add_(0.1 * torch.randn(parameter.shape))
texts = []
for _ in range(options.texts):
    words = 4 + dice.randrange(13) + dice.randrange(13)
    texts.append([0] + [dice.randrange(3, 50264) for _ in range(words)] + [2])
texts.sort(key=len)
batches = [padded(texts[i:i + options.batch]) for i in range(0, len(texts), options.batch)]

with torch.no_grad():
    logits = torch.cat([network(batch) for batch in batches])
    write(options.file, {
        "lengths": torch.tensor([len(text) for text in texts]),
        "ids": torch.tensor([token for text in texts for token in text]),
        **{"weight." + name: parameter for name, parameter in network.named_parameters()},
        "logits": logits})
    rounds, work = [], []
    while sum(rounds) < options.seconds:
        start, before = time.perf_counter(), time.process_time()
        for batch in batches:
            network(batch)
        rounds.append(time.perf_counter() - start)
        work.append(time.process_time() - before)
if rounds:
    print(f"{options.threads} threads: {len(texts) / min(rounds):.1f} texts/s best, "
          f"{len(texts) / statistics.median(rounds):.1f} median; "
          f"{len(texts) / min(work):.1f} per second of a processor")
