"""Writes tests/golden/*.json: what PyTorch computes for small layers, optimizers, schedules and
ten-step trainings. Images are converted to NHWC; weights stay in PyTorch's layouts, as in files.

usage: python tools/golden/make_golden.py [FILE...]   (from the repository root, with torch installed;
all files, or those named: layers, functions, optimizers, curves)"""
import copy
import json
import math
import pathlib
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"


def pack(tensor):
    """Shape and elements; nine digits identify a float."""
    tensor = tensor.detach()
    if tensor.dtype == torch.float64:
        data = [float(f"{v:.17g}") for v in tensor.flatten().tolist()]
    elif tensor.is_floating_point():
        data = [float(f"{v:.9g}") for v in tensor.flatten().tolist()]
    else:
        data = tensor.flatten().tolist()
    return {"shape": list(tensor.shape), "data": data}


def nhwc(tensor):
    """Channels last; of images with any number of spatial axes."""
    return tensor.movedim(1, -1)


def nchw(tensor):
    return tensor.movedim(-1, 1)


def write(name, content):
    text = json.dumps({"torch": torch.__version__, **content}, separators=(",", ":"))
    (FOLDER / f"{name}.json").write_text(text + "\n")


def module_case(module, x, image):
    """Output and gradients of sum(output * dy) for fixed dy."""
    x = x.clone().requires_grad_()
    y = module(x)
    dy = torch.randn_like(y)
    parameters = dict(module.named_parameters())
    gradients = torch.autograd.grad((y * dy).sum(), [x, *parameters.values()])
    shown = nhwc if image else (lambda t: t)
    shown_y = shown if y.dim() > 2 else (lambda t: t)
    case = {"x": pack(shown(x)), "y": pack(shown_y(y)), "dy": pack(shown_y(dy)), "dx": pack(shown(gradients[0]))}
    for (name, value), gradient in zip(parameters.items(), gradients[1:]):
        case[name] = pack(value)
        case["d" + name] = pack(gradient)
    return case


def batch_norm_case(module, make, image):
    with torch.no_grad():
        module.weight.copy_(torch.rand_like(module.weight) + 0.5)
        module.bias.copy_(torch.randn_like(module.bias))
    case = {}
    for i in range(2):
        module.train()
        case[f"train{i}"] = module_case(module, make() * (i + 1) + i, image)
        case[f"running_mean{i}"] = pack(module.running_mean)
        case[f"running_var{i}"] = pack(module.running_var)
    module.eval()
    case["eval"] = module_case(module, make(), image)
    return case


def layers():
    torch.manual_seed(1)
    cases = {
        "linear": module_case(nn.Linear(5, 3), torch.randn(4, 5), False),
        "linear_without_bias": module_case(nn.Linear(5, 3, bias=False), torch.randn(2, 4, 5), False),
        "conv2d": module_case(nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 5, 4), True),
        "conv2d_strided": module_case(
            nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(2, 1), dilation=(2, 1), bias=False),
            torch.randn(2, 2, 7, 5), True),
        "max_pool2d": module_case(nn.MaxPool2d(2), torch.randn(2, 3, 6, 5), True),
        "max_pool2d_overlapping": module_case(nn.MaxPool2d(3, 2, 1), torch.randn(2, 3, 5, 6), True),
        "gelu": module_case(nn.GELU(), torch.randn(3, 7) * 2, False),
        "tanh": module_case(nn.Tanh(), torch.randn(3, 7) * 2, False),
        "sigmoid": module_case(nn.Sigmoid(), torch.randn(3, 7) * 2, False),
        "softmax": module_case(nn.Softmax(-1), torch.randn(3, 7) * 2, False),
        "batch_norm1d": batch_norm_case(nn.BatchNorm1d(3), lambda: torch.randn(6, 3), False),
        "batch_norm2d": batch_norm_case(nn.BatchNorm2d(3), lambda: torch.randn(2, 3, 3, 4), True),
        "image_network": module_case(
            nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 4)),
            torch.randn(2, 2, 8, 6), True),
    }
    logits = (torch.randn(5, 4) * 3).requires_grad_()
    labels = torch.tensor([0, 3, 1, 1, 2])
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    cases |= {
        "conv1d": module_case(nn.Conv1d(3, 4, 3, stride=2, padding=1), torch.randn(2, 3, 8), True),
        "conv3d": module_case(
            nn.Conv3d(2, 3, (2, 3, 2), stride=(1, 2, 1), padding=(0, 1, 1), dilation=(2, 1, 1)),
            torch.randn(2, 2, 4, 5, 3), True),
        "conv2d_groups": module_case(nn.Conv2d(4, 6, 3, padding=1, groups=2), torch.randn(2, 4, 5, 4), True),
        "conv2d_depthwise": module_case(
            nn.Conv2d(3, 6, (3, 2), stride=2, groups=3), torch.randn(1, 3, 6, 5), True),
        "conv_transpose2d": module_case(
            nn.ConvTranspose2d(4, 6, (3, 2), stride=2, padding=(1, 0), output_padding=1, groups=2),
            torch.randn(2, 4, 3, 4), True),
    }
    cases["cross_entropy"] = {"logits": pack(logits), "labels": pack(labels), "loss": pack(loss),
                              "dlogits": pack(logits.grad)}
    write("layers", cases)


def function_case(function, *inputs):
    """Result and gradients of sum(result * dy) for fixed dy, computed in f64 from f32 inputs."""
    inputs = [x.detach() for x in inputs]
    wide = [x.double().requires_grad_() for x in inputs]
    y = function(*wide)
    dy = torch.randn(y.shape)
    gradients = torch.autograd.grad((y * dy.double()).sum(), wide)
    return {"inputs": [pack(x) for x in inputs], "y": pack(y.float()), "dy": pack(dy),
            "gradients": [pack(g.float()) for g in gradients]}


def functions():
    torch.manual_seed(5)
    cases = {}
    x, target = torch.randn(4, 3) * 2, torch.randn(4, 3)
    probability, label = torch.rand(4, 3), torch.randint(0, 2, (4, 3)).float()
    weight = torch.rand(3) + 0.5
    edges = torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-20, 0.5])
    edge_labels = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0, 0.25])
    for reduction in ("mean", "sum", "none"):
        cases[f"mse_loss_{reduction}"] = function_case(
            lambda a, b: F.mse_loss(a, b, reduction=reduction), x, target)
        cases[f"l1_loss_{reduction}"] = function_case(
            lambda a, b: F.l1_loss(a, b, reduction=reduction), x, target)
        cases[f"huber_loss_{reduction}"] = function_case(
            lambda a, b: F.huber_loss(a, b, reduction=reduction, delta=0.7), x, target)
        cases[f"binary_cross_entropy_{reduction}"] = function_case(
            lambda a: F.binary_cross_entropy(a, label.double(), reduction=reduction), probability)
        cases[f"with_logits_{reduction}"] = function_case(
            lambda a: F.binary_cross_entropy_with_logits(
                a, label.double(), reduction=reduction, pos_weight=weight.double()), x)
    cases["labels"] = pack(label)
    cases["positive_weight"] = pack(weight)
    cases["binary_cross_entropy_edges"] = function_case(
        lambda a: F.binary_cross_entropy(a, edge_labels.double(), reduction="none"), edges)
    cases["edge_labels"] = pack(edge_labels)
    rows = torch.cat([torch.randn(5, 4), torch.zeros(1, 4)])
    for name, p in (("1", 1), ("2", 2), ("inf", math.inf)):
        cases[f"norm_{name}"] = function_case(lambda a: torch.linalg.vector_norm(a, p, dim=1), rows)
    cases["var"] = function_case(lambda a: torch.var(a, dim=0), 1e5 + torch.randn(9, 4))
    cases["logsumexp"] = function_case(lambda a: torch.logsumexp(a, dim=1), 1e4 + torch.randn(5, 4))
    image = torch.randn(2, 5, 6, 3)
    for name, options in (("plain", {"kernel_size": 2}),
                          ("padded", {"kernel_size": 3, "stride": 2, "padding": 1}),
                          ("not_counted", {"kernel_size": (3, 2), "stride": (1, 2), "padding": 1,
                                           "count_include_pad": False})):
        cases[f"avg_pool2d_{name}"] = function_case(
            lambda a: nhwc(F.avg_pool2d(a.permute(0, 3, 1, 2), **options)), image)
    for name, offset, spread in (("near", 0, 1), ("far", 1e5, 1), ("very_far", 1.7e9, 1e4)):
        cases[f"batch_norm_{name}"] = function_case(
            lambda a, w, b: F.batch_norm(a, None, None, w, b, training=True),
            offset + spread * torch.randn(16, 3), torch.rand(3) + 0.5, torch.randn(3))
    mixed = torch.tensor([[1.0, 3.0, 3.0, -2.0], [1.0, math.nan, 5.0, math.nan],
                          [-math.inf, math.inf, math.inf, -math.inf], [0.0, 0.0, -0.0, 0.0]])
    shown = [[None if math.isnan(v) else str(v) for v in row] for row in mixed.tolist()]
    cases["extremes"] = {"x": shown, "argmax": mixed.argmax(1).tolist(),
                         "argmin": mixed.argmin(1).tolist()}
    for rank, options in ((1, {"stride": 3, "padding": 1, "output_padding": 2}),
                          (2, {"stride": (2, 1), "padding": (1, 0), "output_padding": (1, 0), "groups": 2,
                               "dilation": (1, 2)}),
                          (3, {"stride": 2, "padding": (0, 1, 0)})):
        transpose = getattr(F, f"conv_transpose{rank}d")
        lengths, taps = (4, 3, 2)[:rank], (3, 2, 3)[:rank]
        cases[f"conv_transpose{rank}d"] = function_case(
            lambda a, w: nhwc(transpose(nchw(a), nchw(w), **options)),
            torch.randn(2, *lengths, 4), torch.randn(4, *taps, 3))
    line, volume = torch.randn(2, 7, 3), torch.randn(1, 4, 5, 3, 2)
    cases["max_pool1d"] = function_case(
        lambda a: nhwc(F.max_pool1d(nchw(a), 3, stride=2, padding=1)), line)
    cases["max_pool3d"] = function_case(lambda a: nhwc(F.max_pool3d(nchw(a), (2, 3, 1))), volume)
    cases["avg_pool1d"] = function_case(lambda a: nhwc(F.avg_pool1d(nchw(a), 3)), line)
    cases["avg_pool3d"] = function_case(
        lambda a: nhwc(F.avg_pool3d(nchw(a), 2, stride=1, padding=1, count_include_pad=False)), volume)
    for name, offset, shape in (("row", 0, (7,)), ("far", 1e5, (7,)), ("image", 3, (4, 7))):
        cases[f"layer_norm_{name}"] = function_case(
            lambda a, w, b: F.layer_norm(a, shape, w, b),
            offset + torch.randn(3, 4, 7), torch.rand(shape) + 0.5, torch.randn(shape))
    cases["cumsum"] = function_case(lambda a: torch.cumsum(a, 1), torch.randn(2, 5, 3))
    cases["cumsum_reverse"] = function_case(lambda a: a.flip(2).cumsum(2).flip(2), torch.randn(2, 3, 5))
    write("functions", cases)


def optimizer_case(make, start, gradients, clip=None):
    parameters = [nn.Parameter(p.clone()) for p in start]
    optimizer = make(parameters)
    steps = []
    for step in gradients:
        for p, g in zip(parameters, step):
            p.grad = g.clone()
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip) if clip else None
        optimizer.step()
        steps.append({"parameters": [pack(p) for p in parameters], **({"norm": pack(norm)} if clip else {})})
    return steps


def factors(make, count, lr=0.5):
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr)
    schedule = make(optimizer)
    result = []
    for _ in range(count):
        result.append(optimizer.param_groups[0]["lr"] / lr)
        optimizer.step()
        schedule.step()
    return result


def optimizers():
    torch.manual_seed(2)
    start = [torch.randn(2, 3), torch.randn(5)]
    gradients = [[torch.randn_like(p) * 10 ** (i % 3 - 1) for p in start] for i in range(10)]
    O, S = torch.optim, torch.optim.lr_scheduler
    # OneCycleLR holds its last value only up to total_steps.
    write("optimizers", {
        "start": [pack(p) for p in start],
        "gradients": [[pack(g) for g in step] for step in gradients],
        "adamw": optimizer_case(lambda p: O.AdamW(p), start, gradients),
        "adamw_other": optimizer_case(
            lambda p: O.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.3), start, gradients),
        "sgd": optimizer_case(lambda p: O.SGD(p, lr=0.1), start, gradients),
        "sgd_momentum": optimizer_case(
            lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05), start, gradients),
        "sgd_nesterov": optimizer_case(
            lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.05, nesterov=True), start, gradients),
        "sgd_clipped": optimizer_case(lambda p: O.SGD(p, lr=0.1), start, gradients, clip=1.5),
        "schedules": {
            "warmup5": factors(lambda o: S.LinearLR(o, 1 / 5, total_iters=4), 9),
            "cosine8_last0.1": factors(lambda o: S.CosineAnnealingLR(o, 8, eta_min=0.05), 9),
            "warmup3_cosine6": factors(lambda o: S.SequentialLR(
                o, [S.LinearLR(o, 1 / 3, total_iters=2), S.CosineAnnealingLR(o, 6)], [3]), 9),
            "one_cycle10": factors(lambda o: S.OneCycleLR(o, 0.5, total_steps=10, cycle_momentum=False), 10),
            "one_cycle37": factors(lambda o: S.OneCycleLR(o, 0.5, total_steps=37, cycle_momentum=False), 37),
            "step3": factors(lambda o: S.StepLR(o, 3, gamma=0.3), 10),
        },
    })


def curve(model, x, labels, make, image):
    case = {"x": pack(nhwc(x) if image else x), "labels": pack(labels),
            "weights": {name: pack(value) for name, value in model.named_parameters()}, "losses": []}
    model = copy.deepcopy(model)
    optimizer = make(model.parameters())
    for _ in range(10):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        case["losses"].append(float(f"{loss.item():.9g}"))
    return case


def curves():
    torch.manual_seed(3)
    mlp = nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 8), nn.GELU(), nn.Linear(8, 3))
    cnn = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                        nn.Flatten(), nn.Linear(36, 3))
    adamw = lambda p: torch.optim.AdamW(p, lr=1e-2)
    sgd = lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)
    labels = torch.arange(8) % 3
    write("curves", {
        "mlp_adamw": curve(mlp, torch.randn(8, 6), labels, adamw, False),
        "cnn_adamw": curve(cnn, torch.randn(8, 2, 6, 6), labels, adamw, True),
        "cnn_sgd": curve(cnn, torch.randn(8, 2, 6, 6), labels, sgd, True),
    })


if __name__ == "__main__":
    torch.set_num_threads(1)
    makers = {"layers": layers, "functions": functions, "optimizers": optimizers, "curves": curves}
    for name in sys.argv[1:] or makers:
        makers[name]()
