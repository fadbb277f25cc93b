"""Read a model file with struct, json and numpy alone, and print what is in it.

An independent reader for test/unit/test_model_file.c: the labels, thresholds and words, then of each
tensor, in the order of names, its name, type, shape, sum, and sum weighted by place (1, 2, ...).
"""
import json
import struct
import sys

import numpy


def to_float(raw, dtype):
    if dtype == "BF16":  # the upper half of a float
        return (numpy.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
    return numpy.frombuffer(raw, {"F32": "<f4", "F16": "<f2", "I8": "i1"}[dtype])


def main(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length).decode("utf-8"))
        data = file.read()
    metadata = header.pop("__metadata__")
    assert metadata["format"] == "emotion" and metadata["format_version"] == "1"
    configuration = json.loads(metadata["configuration"])
    print("hidden", configuration["hidden"], "kernel_widths", configuration["kernel_widths"])
    for label, threshold in zip(json.loads(metadata["labels"]), json.loads(metadata["thresholds"])):
        print("label", label.encode("utf-8").hex(), "%.9g" % threshold)
    for word in metadata["vocabulary"].split("\n"):
        print("word", word.encode("utf-8").hex())
    for name, entry in sorted(header.items()):
        begin, end = entry["data_offsets"]
        values = to_float(data[begin:end], entry["dtype"]).astype(numpy.float64)
        if entry["dtype"] == "I8":  # rows times their scale
            begin, end = header[name.replace(".weight", ".scale")]["data_offsets"]
            values = (values.reshape(entry["shape"]) *
                      to_float(data[begin:end], "F32")[:, numpy.newaxis]).ravel()
        assert values.size == numpy.prod(entry["shape"], dtype=int)
        places = numpy.arange(1, values.size + 1)
        print(name, entry["dtype"], entry["shape"], "%.17g" % values.sum(),
              "%.17g" % (values * places).sum())


main(sys.argv[1])
