#!/usr/bin/python3
"""Write torch_network.safetensors: a small network in PyTorch, what it computes
for real sentences, and ten steps of its training.

Usage: /usr/bin/python3 test/reference/torch_network.py goemotions/train.tsv

Everything is computed in double precision by PyTorch's own layers and
optimisers and stored in the layout of src/model/network.h. The sentences
themselves are not stored, only the numbers of their words.

Integers (I32)                       floats (F32)
  lengths (B), in tokens               targets, logits (B, L); loss (1)
  ids (sum of lengths), text by text   conv, lstm, attention: rows as in ids
  epochs (5, B): the order of texts    pooled (B, 2H), zero for the empty text
    in each epoch; the first 12 are    weight.*, gradient.*, trained.*: tensors
    one batch, the rest the next         before, gradient of loss, after ten steps
                                       losses (10): of each batch before its step
"""
import json
import math
import random
import struct
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

EMBEDDING, WIDTHS, FILTERS, HIDDEN, ATTENTION, LABELS = 20, (3, 4), 12, 16, 24, 28
VOCABULARY = 300
WORDS_OF_TEXTS = (7, 1, 12, 3, 27, 2, 9, 14, 3, 20, 5, 8, 24, 1, 11, 17, 6)
EMPTY_AT = 4  # one more text, without words
BATCH, EPOCHS = 12, 5
RATE, EMBEDDING_RATE, DECAY, CLIP, WARMUP, STEPS = 0.02, 0.5, 0.05, 0.12, 3, 10

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
dice = random.Random(20250117)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, EMBEDDING, sparse=True)
        self.convs = nn.ModuleList(
            nn.Conv1d(EMBEDDING, FILTERS, width, padding="same") for width in WIDTHS)
        self.lstm = nn.LSTM(FILTERS * len(WIDTHS), HIDDEN, bidirectional=True, batch_first=True)
        self.attention = nn.Linear(2 * HIDDEN, ATTENTION)
        self.query = nn.Linear(ATTENTION, 1, bias=False)
        self.output = nn.Linear(2 * HIDDEN, LABELS)
        # one bias is trained; the other stands still, and their sum is ours
        self.lstm.bias_hh_l0.requires_grad = False
        self.lstm.bias_hh_l0_reverse.requires_grad = False

    def forward(self, texts):
        """Logits of all texts; and conv, lstm, attention and pooled of those with words."""
        full = [i for i, text in enumerate(texts) if text]
        lengths = torch.tensor([len(texts[i]) for i in full])
        valid = torch.arange(int(lengths.max()))[None, :] < lengths[:, None]
        ids = torch.tensor([word for i in full for word in texts[i]])

        # padding has no id: it would be seen, and so updated, by the sparse optimiser
        x = torch.zeros(*valid.shape, EMBEDDING)
        x[valid] = self.embedding(ids)
        x = torch.cat([torch.relu(conv(x.transpose(1, 2))) for conv in self.convs], 1)
        conv = x.transpose(1, 2)
        packed = pack_padded_sequence(conv, lengths, batch_first=True, enforce_sorted=False)
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        score = self.query(torch.tanh(self.attention(hidden)))[:, :, 0]
        attention = torch.softmax(score.masked_fill(~valid, -math.inf), 1)
        some = torch.einsum("bt,btd->bd", attention, hidden)
        pooled = torch.zeros(len(texts), 2 * HIDDEN).index_copy(0, torch.tensor(full), some)
        return self.output(pooled), conv[valid], hidden[valid], attention[valid], pooled


def ours(network, of):
    """The tensors by our names in our layout; of: parameter -> tensor (itself, its gradient)."""
    lstm = network.lstm
    result = {"embedding.weight": of(network.embedding.weight)}
    for i, conv in enumerate(network.convs):
        result[f"conv.{i}.weight"] = of(conv.weight).permute(0, 2, 1)
        result[f"conv.{i}.bias"] = of(conv.bias)
    result["lstm.weight_input"] = torch.cat([of(lstm.weight_ih_l0), of(lstm.weight_ih_l0_reverse)])
    result["lstm.weight_recurrent"] = torch.stack(
        [of(lstm.weight_hh_l0), of(lstm.weight_hh_l0_reverse)])
    result["lstm.bias"] = torch.cat([of(lstm.bias_ih_l0) + of(lstm.bias_hh_l0),
                                     of(lstm.bias_ih_l0_reverse) + of(lstm.bias_hh_l0_reverse)])
    result["attention.weight"] = of(network.attention.weight)
    result["attention.bias"] = of(network.attention.bias)
    result["attention.query"] = of(network.query.weight)[0]
    result["output.weight"] = of(network.output.weight)
    result["output.bias"] = of(network.output.bias)
    return {name: tensor.detach().clone() for name, tensor in result.items()}


def gradient(parameter):
    if parameter.grad is None:
        return torch.zeros_like(parameter)
    return parameter.grad.to_dense()


def schedule(step):
    """Linear warm-up, then half a cosine to zero at the last step."""
    if step <= WARMUP:
        return step / WARMUP
    return (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP))) / 2


def train(network, texts, targets, epochs):
    matrices, others = [], []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and name != "embedding.weight":
            (others if "bias" in name else matrices).append(parameter)
    dense = torch.optim.AdamW([{"params": matrices, "weight_decay": DECAY},
                               {"params": others, "weight_decay": 0.0}], lr=RATE)
    sparse = torch.optim.SparseAdam([network.embedding.weight], lr=RATE)
    losses, norms = [], []
    for order in epochs:
        for batch in (order[:BATCH], order[BATCH:]):
            network.zero_grad(set_to_none=True)
            loss = binary_cross_entropy_with_logits(network([texts[i] for i in batch])[0],
                                                    targets[batch])
            loss.backward()
            network.embedding.weight.grad = network.embedding.weight.grad.coalesce()
            gradients = [p.grad.values() if p.grad.is_sparse else p.grad
                         for p in network.parameters() if p.grad is not None]
            norm = math.sqrt(sum(float((g * g).sum()) for g in gradients))
            for g in gradients:
                g *= min(1.0, CLIP / norm)
            losses.append(float(loss))
            norms.append(norm)
            factor = schedule(len(losses))
            for group in dense.param_groups:
                group["lr"] = RATE * factor
            sparse.param_groups[0]["lr"] = RATE * EMBEDDING_RATE * factor
            # SparseAdam adds epsilon to the uncorrected moment's root, AdamW to the corrected one's
            sparse.param_groups[0]["eps"] = 1e-8 * math.sqrt(1 - 0.999 ** len(losses))
            if factor > 0:  # SparseAdam refuses a rate of zero, which changes nothing anyway
                dense.step()
                sparse.step()
    return losses, norms


def read_texts(path):
    """Texts of the lengths wanted and their labels; a vocabulary that goes on into other texts."""
    lines = [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines()]
    lines = [(line[0].lower().split(), [int(label) for label in line[1].split(",")])
             for line in lines]
    chosen, vocabulary = [], {}
    unused = iter(range(len(lines)))
    for wanted in WORDS_OF_TEXTS:
        number = next((i for i in range(len(lines)) if len(lines[i][0]) == wanted
                       and lines[i] not in chosen), None)
        chosen.append(lines[number])
    chosen.insert(EMPTY_AT, ([], [27]))
    for words, _ in chosen + [lines[i] for i in unused]:
        for word in words:
            if len(vocabulary) < VOCABULARY - 1:
                vocabulary.setdefault(word, len(vocabulary) + 1)
    # two texts end in a word that is unknown
    texts = [[vocabulary[word] for word in words] for words, _ in chosen]
    texts[2][-1] = texts[11][-1] = 0
    targets = torch.zeros(len(chosen), LABELS)
    for row, (_, labels) in enumerate(chosen):
        targets[row, labels] = 1.0
    return texts, targets


def fill(network):
    """Numbers from Python's own generator, which stays the same from version to version."""
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            bound = {"embedding.weight": 0.6, "query.weight": 1.0}.get(name, 0.35)
            numbers = [dice.uniform(-bound, bound) for _ in range(parameter.numel())]
            # what a float can hold, so that both start from the same
            values = torch.tensor(numbers, dtype=torch.float32).to(torch.float64)
            if "bias_hh" in name:
                values = torch.round(values * 64) / 64  # so that the sum is a float, too
            if "bias_ih" in name:
                values = torch.round(values * 2**16) / 2**16
            parameter.copy_(values.reshape(parameter.shape))


def write(path, tensors):
    header, data = {"__metadata__": {"made by": "test/reference/torch_network.py, PyTorch"}}, b""
    for name, tensor in tensors.items():
        tensor = torch.as_tensor(tensor)
        kind, letter = ("F32", "f") if tensor.is_floating_point() else ("I32", "i")
        values = tensor.reshape(-1).tolist()
        begin = len(data)
        data += struct.pack(f"<{len(values)}{letter}", *values)
        header[name] = {"dtype": kind, "shape": list(tensor.shape),
                        "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    texts, targets = read_texts(sys.argv[1])
    network = Network()
    fill(network)
    logits, conv, hidden, attention, pooled = network(texts)
    loss = binary_cross_entropy_with_logits(logits, targets)
    loss.backward()
    epochs = [dice.sample(range(len(texts)), len(texts)) for _ in range(EPOCHS)]
    tensors = {
        "lengths": torch.tensor([len(text) for text in texts]),
        "ids": torch.tensor([word for text in texts for word in text]),
        "epochs": torch.tensor(epochs), "targets": targets, "logits": logits,
        "loss": loss.reshape(1), "conv": conv, "lstm": hidden, "attention": attention,
        "pooled": pooled}
    tensors.update({"weight." + n: t for n, t in ours(network, lambda p: p).items()})
    tensors.update({"gradient." + n: t for n, t in ours(network, gradient).items()})
    losses, norms = train(network, texts, targets, epochs)
    tensors["losses"] = torch.tensor(losses)
    tensors.update({"trained." + n: t for n, t in ours(network, lambda p: p).items()})
    path = Path(__file__).with_suffix(".safetensors")
    write(path, {n: t.detach() for n, t in tensors.items()})
    print("loss", float(loss), "words", sum(map(len, texts)))
    for i, (loss, norm) in enumerate(zip(losses, norms)):
        print(f"step {i + 1}: loss {loss:.6f}, norm {norm:.4f}, factor {schedule(i + 1):.4f}")
    print(path, path.stat().st_size, "bytes")


main()
