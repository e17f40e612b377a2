#!/usr/bin/env python3
"""Times one whole training step of a reference workload in JAX on the CPU; prints one JSON object.

The same layers, sizes, loss and optimizer as `sinter bench`: forward, cross-entropy, gradients, AdamW over
all parameters, as one jitted function with donated state, steps rotating through eight batches."""
import argparse
import json
import os
import time

BATCHES = 8
WARM_UP = 4
LEAST_STEPS = 5


def limit_threads(count):
    """XLA sizes its pool by NPROC or the affinity mask, when it is loaded."""
    cpus = sorted(os.sched_getaffinity(0))[:count]
    os.sched_setaffinity(0, cpus)
    os.environ["NPROC"] = str(len(cpus))
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(count > 1).lower()} " \
                              f"intra_op_parallelism_threads={count}"


def layers_of(workload):
    """(name, shape of the weight, fan-in) of each layer."""
    if workload == "mlp":
        return [("fc1", (784, 512), 784), ("fc2", (512, 512), 512), ("fc3", (512, 10), 512)]
    return [("conv1", (3, 3, 1, 32), 9), ("conv2", (3, 3, 32, 64), 288), ("fc1", (3136, 128), 3136),
            ("fc2", (128, 10), 128)]


def make_step(workload, dtype):
    import jax
    import jax.numpy as jnp
    from jax import lax

    compute = jnp.bfloat16 if dtype == "bf16" else jnp.float32
    narrow = lambda x: x.astype(compute)

    def linear(p, name, x):
        return narrow(x) @ narrow(p[name]) + narrow(p[name + ".bias"])

    def conv(p, name, x):
        y = lax.conv_general_dilated(narrow(x), narrow(p[name]), (1, 1), ((1, 1), (1, 1)),
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return y + narrow(p[name + ".bias"])

    def pool(x):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).max((2, 4))

    def forward(p, x):
        if workload == "mlp":
            x = jax.nn.relu(linear(p, "fc1", x))
            return linear(p, "fc3", jax.nn.relu(linear(p, "fc2", x)))
        x = pool(jax.nn.relu(conv(p, "conv1", x)))
        x = pool(jax.nn.relu(conv(p, "conv2", x)))
        return linear(p, "fc2", jax.nn.relu(linear(p, "fc1", x.reshape(x.shape[0], -1))))

    def loss_of(p, x, labels):
        logits = jax.nn.log_softmax(forward(p, x).astype(jnp.float32))
        return -(logits * jax.nn.one_hot(labels, 10)).sum(-1).mean()

    def step(state, x, labels):
        p, m, v, t = state
        loss, g = jax.value_and_grad(loss_of)(p, x, labels)
        t = t + 1
        each = jax.tree_util.tree_map
        m = each(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = each(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        p = each(lambda w, a, b: w * (1 - 1e-3 * 1e-2) - 1e-3 * (a / (1 - 0.9**t)) /
                 (jnp.sqrt(b / (1 - 0.999**t)) + 1e-8), p, m, v)
        return (p, m, v, t), loss

    return jax.jit(step, donate_argnums=0)


def measure(arguments):
    import jax
    import numpy as np

    random = np.random.default_rng(0)
    parameters = {}
    for name, shape, fan_in in layers_of(arguments.workload):
        bound = fan_in**-0.5
        parameters[name] = random.uniform(-bound, bound, shape).astype(np.float32)
        parameters[name + ".bias"] = random.uniform(-bound, bound, shape[-1:]).astype(np.float32)
    zeros = {name: np.zeros_like(value) for name, value in parameters.items()}
    state = jax.device_put((parameters, zeros, dict(zeros), np.float32(0)))
    shape = (784,) if arguments.workload == "mlp" else (28, 28, 1)
    batch = arguments.batch
    batches = [(jax.device_put(random.standard_normal((batch, *shape), dtype=np.float32)),
                jax.device_put(random.integers(0, 10, batch))) for _ in range(BATCHES)]
    step = make_step(arguments.workload, arguments.dtype)
    start = time.perf_counter()
    state, loss = step(state, *batches[0])
    float(loss)
    first = time.perf_counter() - start
    for x, labels in batches[1:WARM_UP]:
        state, loss = step(state, x, labels)
        float(loss)
    times = []
    end = time.perf_counter() + arguments.seconds
    while time.perf_counter() < end or len(times) < LEAST_STEPS:
        start = time.perf_counter()
        state, loss = step(state, *batches[len(times) % BATCHES])
        loss = float(loss)  # as the others, which read the loss of every step
        times.append(time.perf_counter() - start)
    times.sort()
    median = times[len(times) // 2]
    return {"workload": arguments.workload, "framework": "jax", "version": jax.__version__,
            "device": "cpu", "dtype": arguments.dtype, "threads": arguments.threads, "batch": batch,
            "units": "samples", "units_per_s": batch / median, "steps": len(times), "last_loss": loss,
            "step_ms": {"min": 1e3 * times[0], "median": 1e3 * median, "max": 1e3 * times[-1]},
            "first_step_ms": 1e3 * first}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", choices=["mlp", "cnn"])
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    limit_threads(arguments.threads)
    print(json.dumps(measure(arguments)))


if __name__ == "__main__":
    main()
