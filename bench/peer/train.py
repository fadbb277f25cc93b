#!/usr/bin/python3
"""Training the same network in PyTorch, at the best setting that we found for it: what the speed of our
training is compared with.

  bench/peer/train.py [--data DIRECTORY] [--embedding 200] [--filters 128] ...

Prints lines "name value": samples/s, the median of several stretches of an epoch. DIRECTORY holds
goemotions/train.tsv.

The setting, each part of which PyTorch needs to be at its best on a processor:
- OpenBLAS gets one thread, PyTorch's own OpenMP pool the others. Otherwise the two pools fight,
  and all is two to four times slower.
- Texts are sorted by length before they are cut into batches, so that next to nothing is padding,
  and the LSTM reads packed sequences.
- The embedding's gradient is sparse, with SparseAdam beside AdamW. A dense one would update the
  whole table in every step.
"""
import os
import sys

THREADS = next((sys.argv[i + 1] for i, a in enumerate(sys.argv[:-1]) if a == "--threads"), "2")
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before PyTorch is loaded, or it is too late
os.environ["OMP_NUM_THREADS"] = THREADS

import argparse  # noqa: E402
import random  # noqa: E402
import re  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402
from collections import Counter  # noqa: E402
from pathlib import Path  # noqa: E402

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.functional import binary_cross_entropy_with_logits  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402


class Network(nn.Module):
    def __init__(self, vocabulary, o):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, o.embedding, padding_idx=0, sparse=True)
        self.convs = nn.ModuleList(nn.Conv1d(o.embedding, o.filters, width, padding="same")
                                   for width in o.widths)
        self.lstm = nn.LSTM(o.filters * len(o.widths), o.hidden, bidirectional=True,
                            batch_first=True)
        self.attention = nn.Linear(2 * o.hidden, o.attention)
        self.query = nn.Linear(o.attention, 1, bias=False)
        self.output = nn.Linear(2 * o.hidden, o.labels)
        self.drop_embedding = nn.Dropout2d(o.dropout_embedding)
        self.drop_conv = nn.Dropout(o.dropout_conv)
        self.drop_pooled = nn.Dropout(o.dropout_pooled)

    def forward(self, ids, lengths):
        """ids: (B, T), 0 is padding; lengths: (B) falling, on the CPU."""
        x = self.embedding(ids).transpose(1, 2)
        if self.training:
            x = self.drop_embedding(x[:, :, :, None])[:, :, :, 0]
        x = torch.relu(torch.cat([conv(x) for conv in self.convs], 1))
        packed = pack_padded_sequence(self.drop_conv(x).transpose(1, 2), lengths, batch_first=True)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        score = self.query(torch.tanh(self.attention(hidden)))[:, :, 0]
        score = score.masked_fill(ids == 0, float("-inf"))
        pooled = torch.bmm(torch.softmax(score, 1)[:, None, :], hidden)[:, 0]
        return self.output(self.drop_pooled(pooled))


def read(path, max_tokens):
    """Words and label numbers of every text that has words."""
    rows = []
    for line in Path(path).read_text(encoding="utf-8").split("\n"):
        fields = line.split("\t")
        if len(fields) < 2:
            continue
        words = re.findall(r"\w+|[^\w\s]+", fields[0].lower())[:max_tokens]
        if words:
            rows.append((words, [int(label) for label in fields[1].split(",")]))
    return rows


def batches(rows, size):
    """Batches of (ids, lengths, rows' numbers) by falling length."""
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i][0]))
    result = []
    for first in range(0, len(order), size):
        chosen = order[first:first + size]
        lengths = torch.tensor([len(rows[i][0]) for i in chosen])
        ids = torch.zeros(len(chosen), int(lengths[0]), dtype=torch.long)
        for row, i in enumerate(chosen):
            ids[row, :lengths[row]] = torch.tensor(rows[i][0])
        result.append((ids, lengths, chosen))
    return result


def measure_training(rows, vocabulary, size, o):
    """Samples per second; the batches of an epoch in random order, in stretches."""
    torch.manual_seed(1)
    network = Network(vocabulary, o)
    sparse = torch.optim.SparseAdam(list(network.embedding.parameters()), lr=1e-3)
    dense = torch.optim.AdamW([p for n, p in network.named_parameters() if n != "embedding.weight"],
                              lr=1e-3)
    epoch = batches(rows, size)
    random.Random(1).shuffle(epoch)
    targets = []
    for _, _, chosen in epoch:
        target = torch.zeros(len(chosen), o.labels)
        for row, i in enumerate(chosen):
            target[row, rows[i][1]] = 1
        targets.append(target)

    def run(first, seconds):
        at, samples, begin = first, 0, time.perf_counter()
        while time.perf_counter() - begin < seconds and at < len(epoch):
            ids, lengths, chosen = epoch[at]
            loss = binary_cross_entropy_with_logits(network(ids, lengths), targets[at])
            sparse.zero_grad(set_to_none=True)
            dense.zero_grad(set_to_none=True)
            loss.backward()
            sparse.step()
            dense.step()
            at += 1
            samples += len(chosen)
        return at, samples / (time.perf_counter() - begin)

    network.train()
    at, _ = run(0, o.warmup)
    rates = []
    while len(rates) < o.stretches and at < len(epoch):
        at, rate = run(at, o.seconds)
        if at < len(epoch) or not rates:  # the last stretch may have been too short to count
            rates.append(rate)
    return statistics.median(rates)


def main():
    parser = argparse.ArgumentParser(description="the network in PyTorch: speed")
    here = Path(__file__).resolve().parent.parent.parent
    parser.add_argument("--data", default=os.environ.get("EMOTION_DATA", here / "../shared/data"))
    for name, default in (("embedding", 200), ("filters", 128), ("hidden", 128),
                          ("attention", 256), ("labels", 28), ("words", 0), ("max-tokens", 100),
                          ("threads", 2), ("stretches", 5)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--widths", type=int, nargs="+", default=[3])
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--dropout-embedding", type=float, default=0.2)
    parser.add_argument("--dropout-conv", type=float, default=0.2)
    parser.add_argument("--dropout-pooled", type=float, default=0.3)
    parser.add_argument("--warmup", type=float, default=1.0, help="seconds before measuring")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a stretch")
    o = parser.parse_args()
    torch.set_num_threads(o.threads)

    train = read(Path(o.data) / "goemotions/train.tsv", o.max_tokens)
    # 0 is padding, 1 the unknown word; words seen once are unknown, as with us
    counts = Counter(word for words, _ in train for word in words)
    known = [word for word, count in counts.most_common(o.words or None) if count > 1]
    number = {word: i + 2 for i, word in enumerate(known)}
    train = [([number.get(word, 1) for word in words], labels) for words, labels in train]
    vocabulary = len(number) + 2

    print("torch", torch.__version__)
    print("threads", torch.get_num_threads())
    print("vocabulary", vocabulary)
    print("tokens_per_text %.2f" % statistics.mean(len(words) for words, _ in train))
    for size in o.batches:
        print("batch_%d %.0f" % (size, measure_training(train, vocabulary, size, o)), flush=True)


main()
