#!/usr/bin/python3
"""Write huggingface/: two small checkpoints laid out as Hugging Face's libraries save them, and
the scores that PyTorch computes with them.

Usage: /usr/bin/python3 test/reference/huggingface.py

The network is torch_encoder.py's, in double precision; tokenisers are trained and applied here, in
plain Python. No library of Hugging Face is used.

  huggingface/multi    multi-label, F32, one file, tokenizer.json
  huggingface/single   single-label, F16 and BF16, two files with an index, vocab.json and
                       merges.txt, LayerNorm's gamma and beta, and tensors that score nothing
  ../fuzz/corpus/huggingface
                       the same in very small, as fuzz_huggingface.c takes it
  huggingface/expected.tsv
                       checkpoint, text (tabs and line feeds as \\t and \\n), ids, scores
"""
import json
import random
import re
import struct
from collections import Counter
from pathlib import Path

import torch

from torch_encoder import Classifier, fill

HERE = Path(__file__).parent / "huggingface"
MERGES = 90
LABELS = ["joy", "anger", "sadness", "neutral"]
TEXTS = ["", "thank you so much, you saved my day", "I hate this!!", " Hello world", "don't know...",
         "naïve café ❤️ 日本", "line\none\t\ttwo   three ", "<s> a </s><mask>", "¿Qué 100 % ²?",
         "what a wonderful world " * 12]
CORPUS = """thank you so much you saved my day i love this what a wonderful world hello world it is
 a great day and i am so happy for you i hate this so much it makes me sad and angry why would you do
 that i don't know what to say he said she was right they were wrong about everything the other day
 nothing matters anymore the end of the world is near but we are fine thanks for all the help"""
PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?\d+| ?(?:[^\s\w]|_)+|\s+(?!\S)|\s+")


def alphabet():
    """The character that stands for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain},
            **{byte: chr(256 + i) for i, byte in enumerate(others)}}


SPELT = alphabet()


def spell(piece):
    return [SPELT[byte] for byte in piece.encode()]


def join(word, pair):
    out, i = [], 0
    while i < len(word):
        if tuple(word[i:i + 2]) == pair:
            out.append(word[i] + word[i + 1])
            i += 2
        else:
            out.append(word[i])
            i += 1
    return out


def train_merges():
    words = Counter(tuple(spell(piece)) for piece in PIECES.findall(" ".join(CORPUS.split())))
    merges = []
    while len(merges) < MERGES:
        pairs = Counter()
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = Counter({tuple(join(list(word), best)): count for word, count in words.items()})
    return merges


def encode(text, vocabulary, ranks, longest):
    ids = []
    for piece in PIECES.findall(text):
        word = spell(piece)
        while len(word) > 1:
            pair = min(zip(word, word[1:]), key=lambda pair: ranks.get(pair, len(ranks)))
            if pair not in ranks:
                break
            word = join(word, pair)
        ids += [vocabulary[token] for token in word]
    return [0] + ids[:longest - 2] + [2]


def tokenizer_json(vocabulary, merges):
    added = [{"id": vocabulary[name], "special": True, "content": name, "single_word": False,
              "lstrip": name == "<mask>", "rstrip": False, "normalized": True}
             for name in ("<s>", "<pad>", "</s>", "<unk>", "<mask>")]
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
            "normalizer": None,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True},
            "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
                               "trim_offsets": True, "add_prefix_space": False},
            "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True},
            "model": {"dropout": None, "unk_token": None, "continuing_subword_prefix": "",
                      "end_of_word_suffix": "", "fuse_unk": False, "vocab": vocabulary,
                      "merges": [" ".join(pair) for pair in merges]}}


def config(sizes, **more):
    return {"architectures": ["RobertaForSequenceClassification"],
            "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "classifier_dropout": None,
            "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
            "hidden_size": sizes["hidden"],
            "id2label": {str(i): label for i, label in enumerate(LABELS)},
            "initializer_range": 0.02, "intermediate_size": sizes["intermediate"],
            "label2id": {label: i for i, label in enumerate(LABELS)}, "layer_norm_eps": 1e-05,
            "max_position_embeddings": sizes["positions"], "model_type": "roberta",
            "num_attention_heads": sizes["heads"], "num_hidden_layers": sizes["layers"],
            "pad_token_id": 1, "position_embedding_type": "absolute", "type_vocab_size": 1,
            "vocab_size": sizes["vocabulary"], **more}


def make(sizes, dice):
    """Larger weights than torch_encoder.py's, so that texts differ more in their scores."""
    network = Classifier(sizes)
    fill(network, dice)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.dim() == 2 and "embeddings" not in name:
                parameter.copy_((parameter * 3).to(torch.float32))
    return network


def raw(tensor, kind):
    if kind == "I64":
        return tensor.to(torch.int64).numpy().tobytes()
    of = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[kind]
    tensor = tensor.detach().to(of).contiguous()
    return (tensor.view(torch.int16) if kind == "BF16" else tensor).numpy().tobytes()


def write_safetensors(path, tensors):
    """tensors: (name, kind, tensor); returns bytes of data."""
    header, data, begin = {"__metadata__": {"format": "pt"}}, [], 0
    for name, kind, tensor in tensors:
        data.append(raw(tensor, kind))
        header[name] = {"dtype": kind, "shape": list(tensor.shape),
                        "data_offsets": [begin, begin + len(data[-1])]}
        begin += len(data[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))
    return begin


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def expectations(name, network, vocabulary, ranks, longest, squash):
    lines = []
    for text in TEXTS:
        ids = encode(text, vocabulary, ranks, longest)
        scores = squash(network(torch.tensor([ids])))[0]
        shown = text.replace("\t", "\\t").replace("\n", "\\n")
        lines.append("\t".join([name, shown, "{" + ",".join(map(str, ids)) + "}",
                                "{" + ",".join(f"{score:.9g}" for score in scores.tolist()) + "}"]))
    return lines


def write_seeds(vocabulary, merges, dice):
    folder = HERE.parent.parent / "fuzz" / "corpus" / "huggingface"
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {"vocabulary": len(vocabulary), "hidden": 2, "layers": 1, "heads": 1,
             "intermediate": 2, "positions": 6, "labels": len(LABELS)}
    tensors = [(n, "F16", t) for n, t in make(sizes, dice).state_dict().items()]
    weights = folder / "weights"
    write_safetensors(weights, tensors)
    for name, index in (("one", {}), ("indexed", {"weight_map": {n: "a.safetensors"
                                                                 for n, _, _ in tensors}})):
        parts = [json.dumps(config(sizes)), json.dumps(tokenizer_json(vocabulary, merges)),
                 json.dumps(index) if index else ""]
        (folder / name).write_bytes(b"".join(part.encode() + b"\0" for part in parts)
                                    + weights.read_bytes())
    weights.unlink()


def main():
    torch.set_default_dtype(torch.float64)
    dice = random.Random(7)
    merges = train_merges()
    ranks = {pair: i for i, pair in enumerate(merges)}
    names = ["<s>", "<pad>", "</s>", "<unk>", *sorted(SPELT.values()),
             *("".join(pair) for pair in merges), "<mask>"]
    assert len(set(names)) == len(names)
    vocabulary = {name: i for i, name in enumerate(names)}
    sizes = {"vocabulary": len(names), "hidden": 16, "layers": 2, "heads": 2, "intermediate": 32,
             "positions": 40, "labels": len(LABELS)}

    multi = HERE / "multi"
    multi.mkdir(parents=True, exist_ok=True)
    network = make(sizes, dice)
    write_safetensors(multi / "model.safetensors",
                      [(n, "F32", t) for n, t in network.state_dict().items()])
    write_json(multi / "config.json", config(sizes, problem_type="multi_label_classification"))
    (multi / "tokenizer.json").write_text(
        json.dumps(tokenizer_json(vocabulary, merges), ensure_ascii=False))
    write_json(multi / "tokenizer_config.json", {"model_max_length": 38})
    lines = expectations("multi", network, vocabulary, ranks, 38, torch.sigmoid)

    single = HERE / "single"
    single.mkdir(exist_ok=True)
    sizes["layers"] = 1
    network = make(sizes, dice)
    with torch.no_grad():  # what the files can hold
        kinds = {}
        for i, (name, parameter) in enumerate(sorted(network.named_parameters())):
            kinds[name] = ("F16", "BF16")[i % 2]
            parameter.copy_(parameter.to({"F16": torch.float16, "BF16": torch.bfloat16}[kinds[name]]))
    files, total, where = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"), 0, {}
    tensors = [(n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
                kinds[n], t) for n, t in network.state_dict().items()]
    tensors.insert(3, ("roberta.embeddings.position_ids", "I64", torch.arange(40).reshape(1, 40)))
    tensors += [("roberta.pooler.dense.bias", "F32", torch.zeros(16)),
                ("lm_head.bias", "F32", torch.zeros(3))]
    for number, part in enumerate((tensors[:9], tensors[9:])):
        total += write_safetensors(single / files[number], part)
        where.update({name: files[number] for name, _, _ in part})
    write_json(single / "model.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": where})
    write_json(single / "config.json", config(sizes, problem_type="single_label_classification"))
    (single / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (single / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in merges))
    write_json(single / "tokenizer_config.json",
               {"add_prefix_space": False, "model_max_length": 1000000000000000019884624838656})
    lines += expectations("single", network, vocabulary, ranks, 38,
                          lambda x: torch.softmax(x, -1))
    (HERE / "expected.tsv").write_text("\n".join(lines) + "\n")
    write_seeds(vocabulary, merges, dice)
    for path in sorted(HERE.rglob("*")):
        if path.is_file():
            print(path.relative_to(HERE), path.stat().st_size)


if __name__ == "__main__":
    main()
