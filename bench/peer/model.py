"""The bundled model in PyTorch, from its own file: what our scoring is compared with.

Written as one would write it for speed with PyTorch's own means:
- OpenBLAS gets one thread, PyTorch's OpenMP pool the others. Otherwise the two pools fight, and all
  is two to four times slower.
- Texts are sorted by length before they are cut into batches, so that next to nothing is padding,
  and the LSTM reads packed sequences.
- A token that was seen once is one look-up in a dict, whatever had to be done to it the first time;
  a word that the vocabulary lacks gets its vector (the mean of its n-grams') once, behind the words'.
"""
import os
import sys

# Before PyTorch is loaded, or it is too late.
THREADS = next((sys.argv[i + 1] for i, a in enumerate(sys.argv[:-1]) if a == "--threads"), "2")
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["OMP_NUM_THREADS"] = THREADS

import html  # noqa: E402
import json  # noqa: E402
import re  # noqa: E402
import struct  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

MODEL = Path(__file__).resolve().parent.parent.parent / "models/english/english.safetensors"
UNSEEN_ROOM = 200_000  # vectors of words that the vocabulary lacks; then they are forgotten


def read_safetensors(path):
    """(tensors as float32 arrays, metadata); rows of int8 come with their scales."""
    types = {"F32": "<f4", "F16": "<f2", "I8": "i1"}
    raw = Path(path).read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, tensor in header.items():
        begin, end = tensor["data_offsets"]
        data = numpy.frombuffer(raw[8 + size + begin:8 + size + end], types[tensor["dtype"]])
        tensors[name] = data.reshape(tensor["shape"]).astype(numpy.float32)
    for name in [name for name in tensors if name.endswith(".scale")]:
        tensors[name[:-5] + "weight"] *= tensors.pop(name)[:, None]
    return tensors, metadata


class Network(nn.Module):
    """Logits of texts that are sorted by falling length; row 0 of the table is padding."""

    def __init__(self, tensors, room=0):
        super().__init__()
        words, dimension = tensors["embedding.weight"].shape
        filters, width, _ = tensors["conv.0.weight"].shape
        hidden = tensors["lstm.weight_recurrent"].shape[2]
        attention = tensors["attention.bias"].shape[0]
        self.table = torch.zeros(1 + words + room, dimension)
        self.conv = nn.Conv1d(dimension, filters, width, padding="same")
        self.lstm = nn.LSTM(filters, hidden, bidirectional=True, batch_first=True)
        self.attention = nn.Linear(2 * hidden, attention)
        self.query = nn.Linear(attention, 1, bias=False)
        self.output = nn.Linear(2 * hidden, tensors["output.bias"].shape[0])
        of = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
        gates = 4 * hidden
        with torch.no_grad():
            self.table[1:1 + words] = of["embedding.weight"]
            self.conv.weight.copy_(of["conv.0.weight"].transpose(1, 2))
            self.conv.bias.copy_(of["conv.0.bias"])
            for way, suffix in enumerate(("", "_reverse")):
                part = slice(way * gates, (way + 1) * gates)
                getattr(self.lstm, "weight_ih_l0" + suffix).copy_(of["lstm.weight_input"][part])
                getattr(self.lstm, "weight_hh_l0" + suffix).copy_(of["lstm.weight_recurrent"][way])
                getattr(self.lstm, "bias_ih_l0" + suffix).copy_(of["lstm.bias"][part])
                getattr(self.lstm, "bias_hh_l0" + suffix).zero_()
            self.attention.weight.copy_(of["attention.weight"])
            self.attention.bias.copy_(of["attention.bias"])
            self.query.weight.copy_(of["attention.query"][None])
            self.output.weight.copy_(of["output.weight"])
            self.output.bias.copy_(of["output.bias"])
        self.eval()

    def forward(self, ids, lengths):
        x = self.table[ids].transpose(1, 2)
        x = torch.relu(self.conv(x)).transpose(1, 2)
        packed = pack_padded_sequence(x, lengths, batch_first=True)
        states, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        score = self.query(torch.tanh(self.attention(states)))[:, :, 0]
        score = score.masked_fill(ids == 0, float("-inf"))
        pooled = torch.bmm(torch.softmax(score, 1)[:, None, :], states)[:, 0]
        return self.output(pooled)


def ngram_buckets(word, least, most, buckets):
    """fastText's: FNV-1a of the character n-grams of <word>, bytes sign-extended."""
    framed = "<" + word + ">"
    found = []
    for start in range(len(framed)):
        for n in range(least, most + 1):
            if start + n > len(framed):
                break
            if n == 1 and start in (0, len(framed) - 1):
                continue
            value = 2166136261
            for byte in framed[start:start + n].encode():
                value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
            found.append(value % buckets)
    return found


# Ours in the main: contractions, runs, placeholders, numbers, emoticons and emoji one by one. What is
# rare in such texts (hashtags, domains without www, flags) is not.
CONTRACTION = re.compile(r"(?<=\w)(n't|'(?:s|m|re|ve|ll|d))\b")
REPEATED = re.compile(r"([^\W\d_])\1{2,}")
TOKEN = re.compile(r"https?://\S+|www\.\S+|\[name\]|\[religion\]|(?<!\w)(?:@\w+|/?[ur]/\w+)|n't\b|'(?:s|m|re|ve|ll|d)\b"
                   r"|[:;=]'?-?[()dpo/|3]+(?!\w)|<3|xd\b|\d(?:st|nd|rd|th)\b|\d[\d.,:]*(?<=\d)|[^\W\d_]+(?:'[^\W\d_]+)*\d*|[!?]+"
                   r"|\.{2,}|/s\b|([^\w\s#\ufe0f\ufeff-])\1*")
LAUGHTER = re.compile(r"a?(?:ha){2,}h?")
UNDERSCORES = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "_": " ", "…": "..."})


def normalised(token):
    """One token as the vocabulary spells it."""
    first = token[0]
    if first.isdigit():
        return token if token[-1].isalpha() else "<number>"
    if LAUGHTER.fullmatch(token):
        return "haha"
    if token.startswith(("http", "www.")):
        return "<url>"
    if first == "@" or token.startswith(("u/", "/u/")):
        return "<user>" if len(token) > 1 else token
    if token.startswith(("r/", "/r/")):
        return "<subreddit>"
    if first in "!?":
        both = "!" in token and "?" in token
        return "!?" if both else first * min(len(token), 2)
    if token.startswith(".."):
        return "..."
    if len(token) > 1 and first in ":;=":
        return {"(": ":(", ")": first + ")", "d": ":D"}.get(token[-1], token)
    if not token[0].isalnum() and token[0] not in "'<[" and ord(first) < 0x2000:
        return first
    return token


class Tokeniser:
    def __init__(self, network, tensors, metadata):
        options = json.loads(metadata["configuration"])
        self.most = options["text_max_tokens"]
        self.ngrams = (options["subword_min"], options["subword_max"], options["subword_buckets"])
        self.subwords = torch.from_numpy(tensors["subword.weight"])
        self.network = network
        self.words = tensors["embedding.weight"].shape[0]
        # row 1 is the unknown word, row 0 padding
        self.vocabulary = {word: i + 2 for i, word in enumerate(metadata["vocabulary"].rstrip("\n").split("\n"))}
        self.seen = {}
        self.unseen = {}

    def row(self, word):
        """The row of the table that holds a word's vector."""
        row = self.vocabulary.get(word) or self.unseen.get(word)
        if row is None:
            grams = ngram_buckets(word, *self.ngrams)
            if not grams:
                return 1
            if 1 + self.words + len(self.unseen) == len(self.network.table):
                self.unseen.clear()
                self.seen.clear()
            row = self.unseen[word] = 1 + self.words + len(self.unseen)
            self.network.table[row] = self.subwords[grams].mean(0)
        return row

    def first_seen(self, token):
        row = self.seen[token] = self.row(normalised(token))
        return row

    def tokens(self, text):
        if "&" in text:
            text = html.unescape(text)
        text = text.translate(UNDERSCORES).lower()
        if "'" in text:
            text = CONTRACTION.sub(r" \1", text)
        text = REPEATED.sub(r"\1\1", text)
        return [match.group() for match in TOKEN.finditer(text)][:self.most]

    def ids(self, text):
        seen = self.seen
        return [seen.get(token) or self.first_seen(token) for token in self.tokens(text)] or [1]


def load(path=MODEL, room=UNSEEN_ROOM):
    tensors, metadata = read_safetensors(path)
    network = Network(tensors, room)
    return network, Tokeniser(network, tensors, metadata)


def batches(rows, size):
    """(ids, lengths, numbers of the rows) by falling length."""
    order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
    for first in range(0, len(order), size):
        chosen = order[first:first + size]
        lengths = [len(rows[i]) for i in chosen]
        longest = lengths[0]
        ids = torch.tensor([rows[i] + [0] * (longest - len(rows[i])) for i in chosen])
        yield ids, torch.tensor(lengths), chosen


def score(network, rows, size=256):
    """(n, labels) scores of rows of ids."""
    result = numpy.empty((len(rows), network.output.out_features), numpy.float32)
    with torch.inference_mode():
        for ids, lengths, chosen in batches(rows, size):
            result[chosen] = torch.sigmoid(network(ids, lengths)).numpy()
    return result
