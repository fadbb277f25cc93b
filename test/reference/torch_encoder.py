#!/usr/bin/python3
"""Write torch_encoder.safetensors: a small RobertaForSequenceClassification in
PyTorch, what it computes for some texts, and ten steps of its training.

Usage: /usr/bin/python3 test/reference/torch_encoder.py

The network is written from the published architecture (Liu et al. 2019, Devlin et
al. 2019) with modules named as Hugging Face names them, so that a state dict has
the names of its files. Everything is computed in double precision by PyTorch's own
layers and optimiser; texts are random ids between <s> and </s>.

Integers (I32)                       floats (F32)
  sizes: vocabulary, hidden, layers,   targets, logits (B, L); loss (1)
    heads, intermediate, positions     weight.*, gradient.*, trained.*: tensors
  lengths (B), in tokens                 before, gradient of loss, after ten steps
  ids (sum of lengths), text by text   losses (10): of each batch before its step
  epochs (5, B): the order of texts
    in each epoch; the first 6 are
    one batch, the rest the next
"""
import json
import math
import random
import struct
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, gelu

SIZES = {"vocabulary": 60, "hidden": 24, "layers": 2, "heads": 3, "intermediate": 40,
         "positions": 32, "labels": 5}
LENGTHS = (7, 2, 19, 4, 30, 3, 11, 2, 16, 9)
PAD, EPSILON = 1, 1e-5
BATCH, EPOCHS = 6, 5
RATE, DECAY, CLIP, WARMUP, STEPS = 0.01, 0.05, 0.4, 3, 10

torch.set_num_threads(1)


class Embeddings(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.word_embeddings = nn.Embedding(sizes["vocabulary"], sizes["hidden"], padding_idx=PAD)
        self.position_embeddings = nn.Embedding(sizes["positions"], sizes["hidden"],
                                                padding_idx=PAD)
        self.token_type_embeddings = nn.Embedding(1, sizes["hidden"])
        self.LayerNorm = nn.LayerNorm(sizes["hidden"], eps=EPSILON)

    def forward(self, ids):
        real = (ids != PAD).long()
        positions = torch.cumsum(real, 1) * real + PAD
        return self.LayerNorm(self.word_embeddings(ids) + self.position_embeddings(positions)
                              + self.token_type_embeddings(torch.zeros_like(ids)))


class SelfAttention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.heads = sizes["heads"]
        self.query = nn.Linear(sizes["hidden"], sizes["hidden"])
        self.key = nn.Linear(sizes["hidden"], sizes["hidden"])
        self.value = nn.Linear(sizes["hidden"], sizes["hidden"])

    def forward(self, x, mask):
        texts, tokens, hidden = x.shape
        q, k, v = (linear(x).view(texts, tokens, self.heads, -1).transpose(1, 2)
                   for linear in (self.query, self.key, self.value))
        scores = q @ k.transpose(2, 3) / math.sqrt(hidden // self.heads) + mask
        context = torch.softmax(scores, -1) @ v
        return context.transpose(1, 2).reshape(texts, tokens, hidden)


class Output(nn.Module):
    """A linear layer, what went around it, LayerNorm."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.dense = nn.Linear(inputs, outputs)
        self.LayerNorm = nn.LayerNorm(outputs, eps=EPSILON)

    def forward(self, x, around):
        return self.LayerNorm(self.dense(x) + around)


class Attention(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.self = SelfAttention(sizes)
        self.output = Output(sizes["hidden"], sizes["hidden"])

    def forward(self, x, mask):
        return self.output(self.self(x, mask), x)


class Intermediate(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.dense = nn.Linear(sizes["hidden"], sizes["intermediate"])

    def forward(self, x):
        return gelu(self.dense(x))


class Layer(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.attention = Attention(sizes)
        self.intermediate = Intermediate(sizes)
        self.output = Output(sizes["intermediate"], sizes["hidden"])

    def forward(self, x, mask):
        x = self.attention(x, mask)
        return self.output(self.intermediate(x), x)


class Encoder(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.layer = nn.ModuleList(Layer(sizes) for _ in range(sizes["layers"]))


class Roberta(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.embeddings = Embeddings(sizes)
        self.encoder = Encoder(sizes)

    def forward(self, ids):
        x = self.embeddings(ids)
        mask = (ids == PAD)[:, None, None, :] * torch.finfo(x.dtype).min
        for layer in self.encoder.layer:
            x = layer(x, mask)
        return x


class Head(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.dense = nn.Linear(sizes["hidden"], sizes["hidden"])
        self.out_proj = nn.Linear(sizes["hidden"], sizes["labels"])

    def forward(self, x):
        return self.out_proj(torch.tanh(self.dense(x[:, 0])))


class Classifier(nn.Module):
    """RobertaForSequenceClassification without dropout."""

    def __init__(self, sizes):
        super().__init__()
        self.roberta = Roberta(sizes)
        self.classifier = Head(sizes)

    def forward(self, ids):
        return self.classifier(self.roberta(ids))


def padded(texts):
    longest = max(map(len, texts))
    return torch.tensor([text + [PAD] * (longest - len(text)) for text in texts])


def fill(network, dice):
    """Numbers from Python's own generator, which stays the same from version to version."""
    with torch.no_grad():
        for name, parameter in sorted(network.named_parameters()):
            middle, bound = 0.0, 0.3
            if name.endswith("LayerNorm.weight"):
                middle, bound = 1.0, 0.5
            elif "embeddings" in name:
                bound = 0.8
            numbers = [dice.uniform(middle - bound, middle + bound)
                       for _ in range(parameter.numel())]
            # what a float can hold, so that both start from the same
            parameter.copy_(torch.tensor(numbers, dtype=torch.float32).reshape(parameter.shape))


def schedule(step):
    """Linear warm-up, then linear to zero at the last step."""
    if step <= WARMUP:
        return step / WARMUP
    return (STEPS - step) / (STEPS - WARMUP)


def train(network, texts, targets, epochs):
    decayed, others = [], []
    for name, parameter in network.named_parameters():
        plain = name.endswith("bias") or "LayerNorm" in name
        (others if plain else decayed).append(parameter)
    optimiser = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY},
                                   {"params": others, "weight_decay": 0.0}], lr=RATE)
    losses, norms = [], []
    for order in epochs:
        for batch in (order[:BATCH], order[BATCH:]):
            optimiser.zero_grad(set_to_none=False)
            loss = binary_cross_entropy_with_logits(network(padded([texts[i] for i in batch])),
                                                    targets[batch])
            loss.backward()
            norms.append(float(nn.utils.clip_grad_norm_(network.parameters(), CLIP)))
            losses.append(float(loss))
            for group in optimiser.param_groups:
                group["lr"] = RATE * schedule(len(losses))
            optimiser.step()
    return losses, norms


def write(path, tensors):
    """safetensors, header and data by hand."""
    header, data = {"__metadata__": {"made by": "test/reference/torch_encoder.py, PyTorch"}}, []
    begin = 0
    for name, tensor in tensors.items():
        whole = not tensor.is_floating_point()
        kind, of = ("I32", torch.int32) if whole else ("F32", torch.float32)
        data.append(tensor.detach().to(of).contiguous().numpy().tobytes())
        header[name] = {"dtype": kind, "shape": list(tensor.shape),
                        "data_offsets": [begin, begin + len(data[-1])]}
        begin += len(data[-1])
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(data)


def main():
    torch.set_default_dtype(torch.float64)
    dice = random.Random(20250118)
    texts = [[0] + [dice.randrange(3, SIZES["vocabulary"]) for _ in range(length - 2)] + [2]
             for length in LENGTHS]
    targets = torch.tensor([[float(dice.random() < 0.3) for _ in range(SIZES["labels"])]
                            for _ in texts])
    network = Classifier(SIZES)
    fill(network, dice)
    logits = network(padded(texts))
    loss = binary_cross_entropy_with_logits(logits, targets)
    loss.backward()
    epochs = [dice.sample(range(len(texts)), len(texts)) for _ in range(EPOCHS)]
    tensors = {
        "sizes": torch.tensor([SIZES[name] for name in ("vocabulary", "hidden", "layers", "heads",
                                                        "intermediate", "positions")]),
        "lengths": torch.tensor([len(text) for text in texts]),
        "ids": torch.tensor([token for text in texts for token in text]),
        "epochs": torch.tensor(epochs), "targets": targets, "logits": logits,
        "loss": loss.reshape(1)}
    for name, parameter in network.named_parameters():
        tensors["weight." + name] = parameter.detach().clone()
        tensors["gradient." + name] = parameter.grad.detach().clone()
    losses, norms = train(network, texts, targets, epochs)
    tensors["losses"] = torch.tensor(losses)
    tensors.update({"trained." + n: p for n, p in network.named_parameters()})
    path = Path(__file__).with_suffix(".safetensors")
    write(path, tensors)
    print("loss", float(loss))
    for i, (loss, norm) in enumerate(zip(losses, norms)):
        print(f"step {i + 1}: loss {loss:.6f}, norm {norm:.4f}, factor {schedule(i + 1):.4f}")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
