#!/usr/bin/python3
"""A RoBERTa of random weights, as large as DistilRoBERTa, made and run by PyTorch.

  bench/peer/transformer.py make DIR [--texts FILE --tokenise COMMAND] [--small] [--no-onnx]
      writes checkpoint/ as Hugging Face lays it out, without a tokeniser, and for FILE's lines, which
      the command (test/reference/bpe_encode.c) makes ids of, or for 228 texts of random ids:
        bench.safetensors  sizes, lengths, ids, logits, weight.*: for build/bench/bench_encoder
        texts.json         {"ids", "logits", "sizes"}
        scores.tsv         number of the text, {score, ...}
        *.onnx             transformer_onnx.py
  bench/peer/transformer.py serve DIR float|int8 [--threads 2]
      scores on demand, as bench/peer/rounds.py says; int8: torch.quantization.quantize_dynamic

OpenBLAS gets one thread, PyTorch's own OpenMP pool the others: otherwise the two pools fight.
"""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(usage=__doc__)
parser.add_argument("task", choices=["make", "serve"])
parser.add_argument("directory", type=Path)
parser.add_argument("kind", nargs="?", choices=["float", "int8"], default="float")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--texts", type=Path)
parser.add_argument("--tokenise")
parser.add_argument("--small", action="store_true")
parser.add_argument("--no-onnx", action="store_true")
options = parser.parse_args()
os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before PyTorch is loaded, or it is too late
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # noqa: E402
from torch import nn  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "test" / "reference"))
from torch_encoder import PAD, Classifier, padded, write  # noqa: E402

SIZES = {"vocabulary": 50265, "hidden": 768, "layers": 6, "heads": 12, "intermediate": 3072,
         "positions": 514, "labels": 28}
SMALL = {**SIZES, "hidden": 32, "layers": 2, "heads": 2, "intermediate": 64}
ENGINES = ["x86", "fbgemm", "onednn", "qnnpack"]  # the quickest first; Debian's has no fbgemm
torch.set_num_threads(options.threads)
torch.manual_seed(1)


def make_network(sizes):
    network = Classifier(sizes).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.05)  # wider than a fresh network's: attention has something to say
            else:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    return network


def make_ids():
    if options.texts is None:
        dice = random.Random(1)
        return [[0] + [dice.randrange(3, 50264) for _ in range(4 + dice.randrange(13) + dice.randrange(13))] + [2]
                for _ in range(228)]
    lines = [line.encode() for line in options.texts.read_text().split("\n")[:-1]]
    out = subprocess.run(options.tokenise.split(), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         input=b"".join(struct.pack("<I", len(line)) + line for line in lines)).stdout
    texts, at = [], 0
    while at < len(out):  # number, ids, starts and ends of the tokens
        count, = struct.unpack_from("<I", out, at)
        texts.append(list(struct.unpack_from(f"<{count}I", out, at + 4)))
        at += 4 + 12 * count
    return texts


def write_checkpoint(network, sizes, folder):
    folder.mkdir(exist_ok=True)
    write(folder / "model.safetensors", network.state_dict())
    labels = {str(i): f"label_{i:02}" for i in range(sizes["labels"])}
    (folder / "config.json").write_text(json.dumps({
        "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
        "attention_probs_dropout_prob": 0.1, "hidden_dropout_prob": 0.1, "hidden_act": "gelu",
        "hidden_size": sizes["hidden"], "intermediate_size": sizes["intermediate"],
        "num_hidden_layers": sizes["layers"], "num_attention_heads": sizes["heads"],
        "max_position_embeddings": sizes["positions"], "vocab_size": sizes["vocabulary"],
        "type_vocab_size": 1, "layer_norm_eps": 1e-5, "bos_token_id": 0, "pad_token_id": PAD,
        "eos_token_id": 2, "id2label": labels, "problem_type": "multi_label_classification"}))


def cut(texts, size):
    """Batches of texts of like length, so that little is padding: (numbers of the texts, ids)."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for first in range(0, len(order), size):
        chosen = order[first:first + size]
        yield chosen, padded([texts[i] for i in chosen])


def score(network, batches):
    """Logits in the order of the texts."""
    with torch.inference_mode():
        logits = [network(ids) for _, ids in batches]
        result = torch.empty(sum(map(len, logits)), logits[0].shape[1])
        for (chosen, _), of in zip(batches, logits):
            result[chosen] = of
    return result


def make():
    sizes = SMALL if options.small else SIZES
    folder = options.directory
    folder.mkdir(parents=True, exist_ok=True)
    network = make_network(sizes)
    write_checkpoint(network, sizes, folder / "checkpoint")
    texts = make_ids()
    logits = score(network, list(cut(texts, 32)))
    write(folder / "bench.safetensors", {
        "sizes": torch.tensor(list(sizes.values())),
        "lengths": torch.tensor([len(text) for text in texts]),
        "ids": torch.tensor([token for text in texts for token in text]), "logits": logits,
        **{"weight." + name: parameter for name, parameter in network.named_parameters()}})
    (folder / "texts.json").write_text(json.dumps({"ids": texts, "logits": logits.tolist(), "sizes": sizes}))
    (folder / "scores.tsv").write_text("".join(
        f"{i + 1}\t{{{','.join(map(str, scores))}}}\n" for i, scores in enumerate(torch.sigmoid(logits).tolist())))
    if not options.no_onnx:
        from transformer_onnx import export
        export(network, folder)


def serve():
    """One line "BATCH TEXTS" asks for one round: seconds, and by how much logits differ."""
    about = json.loads((options.directory / "texts.json").read_text())
    sizes, expected = about["sizes"], torch.tensor(about["logits"])
    network = make_network(sizes)
    if options.kind == "int8":
        engines = torch.backends.quantized.supported_engines
        torch.backends.quantized.engine = next(e for e in ENGINES if e in engines)
        network = torch.quantization.quantize_dynamic(network, {nn.Linear}, dtype=torch.qint8)
    d, inner = sizes["hidden"], sizes["intermediate"]
    work = sum(2 * (sizes["layers"] * (len(t) * (4 * d * d + 2 * d * inner) + 2 * len(t) ** 2 * d)
                    + d * d + d * sizes["labels"]) for t in about["ids"]) / len(about["ids"])
    print(f"ready {work / 1e9}", flush=True)
    for line in sys.stdin:
        size, count = map(int, line.split())
        batches = list(cut(about["ids"][:count], size))
        begin = time.perf_counter()
        logits = score(network, batches)
        took = time.perf_counter() - begin
        print(took, float((logits - expected[:count]).abs().max()), flush=True)


globals()[options.task]()
