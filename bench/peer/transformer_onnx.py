"""The network of test/reference/torch_encoder.py as files for onnxruntime, written by torch.onnx.export.

  float        as PyTorch exports it; onnxruntime's optimiser fuses what it recognises
  int8         linear layers as onnxruntime's quantize_dynamic makes them: DynamicQuantizeLinear,
               MatMulInteger, weights of 8 bits with a scale per output (per_channel)
  float_fused, int8_fused
               attention, LayerNorm and GELU by onnxruntime's own operators (com.microsoft), as its
               optimiser for transformers writes them

Operators that PyTorch does not have are only traced here: what they compute is compared with
PyTorch's logits when onnxruntime runs them.
"""
import copy

import torch
from torch import nn

from torch_encoder import EPSILON, PAD, padded

OPSET = 14


library = torch.library.Library("bench", "DEF")


def operator(name, onnx, inputs, result, outputs=1, **attributes):
    """A function of PyTorch that is exported as one operator; result: tensors of its shape."""
    arguments = ", ".join(f"Tensor i{i}" for i in range(inputs))
    library.define(f"{name}({arguments}) -> ({', '.join(['Tensor'] * outputs)})")
    library.impl(name, result, "CPU")
    torch.onnx.register_custom_op_symbolic(
        "bench::" + name, lambda g, *x: g.op(onnx, *x, outputs=outputs, **attributes), OPSET)
    return getattr(torch.ops.bench, name)


def like_first(x, *others):
    return x.float() + 0


round_inputs = operator("round_inputs", "DynamicQuantizeLinear", 1, lambda x: (
    x.to(torch.uint8), torch.ones(()), torch.zeros((), dtype=torch.uint8)), 3)
multiply_whole = operator("multiply_whole", "MatMulInteger", 4,
                          lambda x, w, x_zero, w_zero: (x.float() @ w.float()).int())
add_norm = operator("add_norm", "com.microsoft::SkipLayerNormalization", 5, like_first, epsilon_f=EPSILON)
bias_gelu = operator("bias_gelu", "com.microsoft::BiasGelu", 2, like_first)
attend = {heads: (operator(f"attend_{heads}", "com.microsoft::Attention", 4, like_first, num_heads_i=heads),
                  operator(f"attend_whole_{heads}", "com.microsoft::QAttention", 8, like_first, num_heads_i=heads))
          for heads in (2, 12)}


def keep(module, **tensors):
    for name, tensor in tensors.items():
        module.register_buffer(name, tensor.detach().contiguous())


class Linear(nn.Module):
    """x W, plus the bias if wanted."""

    def __init__(self, weight, bias, whole):
        super().__init__()
        self.whole, self.biased = whole, bias is not None
        if self.biased:
            keep(self, bias=bias)
        if whole:
            scale = weight.abs().amax(1) / 127
            keep(self, weight=torch.round(weight / scale[:, None]).to(torch.int8).t(), scale=scale,
                 zero=torch.zeros(len(scale), dtype=torch.int8))
        else:
            keep(self, weight=weight.t())

    def forward(self, x):
        if self.whole:
            q, step, middle = round_inputs(x)
            y = multiply_whole(q, self.weight, middle, self.zero).float() * (step * self.scale)
        else:
            y = x @ self.weight
        return y + self.bias if self.biased else y


class FusedAttention(nn.Module):
    def __init__(self, attention, whole):
        super().__init__()
        parts = attention.query, attention.key, attention.value
        self.linear = Linear(torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts]), whole)
        self.run = attend[attention.heads][whole]

    def forward(self, x, mask):
        linear = self.linear
        if not linear.whole:
            return self.run(x, linear.weight, linear.bias, mask)
        q, step, middle = round_inputs(x)
        return self.run(q, linear.weight, linear.bias, step, linear.scale, mask, middle, linear.zero)


class FusedOutput(nn.Module):
    def __init__(self, output, whole):
        super().__init__()
        self.linear = Linear(output.dense.weight, None, whole)
        keep(self, bias=output.dense.bias, scale=output.LayerNorm.weight, shift=output.LayerNorm.bias)

    def forward(self, x, around):
        return add_norm(self.linear(x), around, self.scale, self.shift, self.bias)


class FusedLayer(nn.Module):
    def __init__(self, layer, whole):
        super().__init__()
        self.attention = FusedAttention(layer.attention.self, whole)
        self.attended = FusedOutput(layer.attention.output, whole)
        self.inner = Linear(layer.intermediate.dense.weight, None, whole)
        keep(self, bias=layer.intermediate.dense.bias)
        self.output = FusedOutput(layer.output, whole)

    def forward(self, x, mask):
        x = self.attended(self.attention(x, mask), x)
        return self.output(bias_gelu(self.inner(x), self.bias), x)


class Exported(nn.Module):
    """With the mask as an input, as Hugging Face's models are exported."""

    def __init__(self, network, fused):
        super().__init__()
        self.network, self.fused = network, fused

    def forward(self, input_ids, attention_mask):
        x = self.network.roberta.embeddings(input_ids)
        if self.fused:
            mask = attention_mask.to(torch.int32)
        else:
            mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.network.roberta.encoder.layer:
            x = layer(x, mask)
        return self.network.classifier(x)


def in_integers(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Linear(child.weight, child.bias, True))
        else:
            in_integers(child)


def export(network, folder):
    """KIND.onnx for all kinds above."""
    ids = padded([[0, 5, 6, 7, 2], [0, 8, 2]])
    axes = {0: "texts", 1: "tokens"}
    for whole in (False, True):
        for fused in (False, True):
            made = copy.deepcopy(network)
            if fused:
                layers = made.roberta.encoder.layer
                for i, layer in enumerate(layers):
                    layers[i] = FusedLayer(layer, whole)
            if whole:
                in_integers(made)
            name = ("int8" if whole else "float") + ("_fused" if fused else "")
            with torch.no_grad():
                torch.onnx.export(
                    Exported(made, fused), (ids, (ids != PAD).long()), str(folder / (name + ".onnx")),
                    opset_version=OPSET, input_names=["input_ids", "attention_mask"], output_names=["logits"],
                    dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "texts"}},
                    custom_opsets={"com.microsoft": 1} if fused else {})
