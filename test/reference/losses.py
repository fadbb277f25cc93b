#!/usr/bin/python3
"""Write losses.txt: logits, targets and weights, the loss of them and its gradient.

Usage: /usr/bin/python3 test/reference/losses.py > test/reference/losses.txt

By PyTorch's functions and its automatic differentiation in double precision. The
distribution-balanced loss follows the order of Wu et al. 2020: re-weighting, biased logits,
scaled negatives, focusing of the cross-entropy of those logits. A case is a line of parameters
(see below), the labels' counts, then for each row logits, targets, weight and gradients.
"""
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

torch.manual_seed(20250203)
torch.set_default_dtype(torch.float64)
LABELS = 5
TOTAL = 4000
COUNTS = torch.tensor([1200, 0, 35, 4000, 3])


def focused(z, y, gamma):
    """Binary cross-entropy of a hard target, weighted by (1 - p_of_target)^gamma."""
    ce = cross_entropy(z, y, reduction="none")
    return (1 - torch.exp(-ce)) ** gamma * ce


def both(z, y, function):
    """A loss of hard targets for soft ones."""
    return y * function(z, torch.ones_like(z)) + (1 - y) * function(z, torch.zeros_like(z))


def asymmetric(z, y, gamma_positive, gamma_negative, margin):
    p = torch.sigmoid(z)
    q = (p - margin).clamp(min=0)
    return -(y * (1 - p) ** gamma_positive * torch.log(p) +
             (1 - y) * q ** gamma_negative * torch.log(1 - q))


def balanced(z, y, hard, gamma, alpha, beta, mu, scale):
    inverse = 1 / COUNTS.clamp(min=1).double()
    weights = []
    for row in hard:  # r is the sampling by class over that by instance
        per_class = inverse / LABELS
        per_instance = (row * inverse).sum() / LABELS
        weights.append(torch.sigmoid(beta * (per_class / per_instance - mu)) + alpha)
    weight = torch.stack(weights)

    def one(z, y):
        w = weight / scale * (1 - y) + weight * y
        return w * focused(z * (scale * (1 - y) + y), y, gamma)

    return both(z, y, one)


def write(kind, rows, soft=False, gamma=2.0, gamma_negative=4.0, margin=0.05, alpha=0.1, beta=10.0,
          mu=0.2, scale=2.0, smoothing=0.0, tau=0.0):
    z = (torch.randn(rows, LABELS) * 3).requires_grad_()
    hard = (torch.rand(rows, LABELS) < 0.4).double()
    hard[0] = 0
    if soft:
        hard = hard * torch.rand(rows, LABELS)
    y = hard * (1 - smoothing) + smoothing / 2
    weight = torch.rand(rows) + 0.5
    share = (COUNTS / TOTAL).clamp(1e-6, 1 - 1e-6)
    shifted = z + tau * torch.log(share / (1 - share))
    if kind == "balanced":
        loss = balanced(shifted, y, hard, gamma, alpha, beta, mu, scale)
    elif kind == "asymmetric":
        loss = asymmetric(shifted, y, gamma, gamma_negative, margin)
    else:
        loss = both(shifted, y, lambda z, y: focused(z, y, gamma if kind == "focal" else 0))
    loss = (loss * weight[:, None]).sum()
    loss.backward()
    parameters = (gamma, gamma_negative, margin, alpha, beta, mu, scale, smoothing, tau)
    print(kind, rows, LABELS, TOTAL, *(p.hex() for p in parameters), loss.item().hex())
    print(*COUNTS.tolist())
    for numbers in torch.cat([z, y, weight[:, None], z.grad], 1):
        print(*(n.item().hex() for n in numbers))


for tau in (0.0, 1.0):
    write("bce", 4, tau=tau)
    write("focal", 4, soft=True, gamma=1.5, tau=tau)
    write("asymmetric", 4, gamma=1.0, tau=tau)
    write("balanced", 6, tau=tau)
write("balanced", 6, tau=0.05)
write("balanced", 5, gamma=0.0, beta=3.0, mu=0.7, scale=5.0)
write("balanced", 5, smoothing=0.1, tau=0.3)
write("balanced", 5, soft=True, alpha=0.5, gamma=1.25, smoothing=0.2)
