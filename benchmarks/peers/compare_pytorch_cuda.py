#!/usr/bin/env python3
"""Checks librmt on a GPU against PyTorch and times both, side by side, on one GPU. benchmarks/gpu.sh runs it.

    python3 benchmarks/peers/compare_pytorch_cuda.py --library BUILD/librmt.so --cuda-library BUILD/librmt_cuda.so

For each model, batch and precision: the memory of a chain of full segments is compared with the same chain in float64
PyTorch, then chains are timed in alternating rounds, ids on the device for the peers and in host memory for us. The
peers: an eager loop, the loop with a compiled segment step, and that step captured by hand in a CUDA graph with memory in
a static buffer; for BF16 each of them twice, with autocast and with the whole model in BF16. All of them have the scaled
dot product attention of PyTorch. The share of the peak is that of a matrix
product of 4096 x 4096 x 4096 in PyTorch, measured in the same run.
"""
import argparse
import contextlib
import copy
import ctypes as c
import os
import statistics
import time

import numpy as np
import torch
from transformers import BertModel

from compare_pytorch import (INPUT_LENGTH, NUM_MEM_TOKENS, VOCAB_SIZE, Rmt, alternating, bert_config, compared,
                             state_of, write_json)

PRECISIONS = ("fp32", "tf32", "bf16")


class CudaOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("index", c.c_int32), ("precision", c.c_int32), ("library", c.c_char_p),
                ("cublas", c.c_char_p)]


class CudaRmt(Rmt):
    def __init__(self, library, config, state, cuda_library, cublas, precision, batch_size):
        options = CudaOptions(c.sizeof(CudaOptions), 0, PRECISIONS.index(precision), cuda_library.encode(),
                              None if cublas is None else cublas.encode())
        self.load(library, config, state, "rmt_device_create_cuda", options, batch_size)

    def run(self, chain):
        """All segments, (B, T) each; waits for the last."""
        for ids in chain:
            self.forward(ids)
        return self.read_memory()

    def memories(self):
        return np.stack([self.read_memory(slot) for slot in range(self.slot.size)])


def flops_per_segment(config):
    layers, hidden, intermediate = config.num_hidden_layers, config.hidden_size, config.intermediate_size
    linear = 2 * INPUT_LENGTH * (4 * hidden * hidden + 2 * hidden * intermediate)
    return layers * (linear + 4 * INPUT_LENGTH * INPUT_LENGTH * hidden)


def step(model, ids, memory):
    """One RMT segment of a batch: ids (B, T), memory (B, M, H)."""
    embeddings = model.embeddings.word_embeddings(ids)
    embeddings = torch.cat([embeddings[:, :1], memory.to(embeddings.dtype), embeddings[:, 1 + NUM_MEM_TOKENS:]], 1)
    memory = model(inputs_embeds=embeddings).last_hidden_state[:, 1:1 + NUM_MEM_TOKENS].to(memory.dtype)
    return memory.contiguous()  # as the first one is: a compiled step would be compiled again for other strides


@contextlib.contextmanager
def in_precision(precision):
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    automatic = torch.autocast("cuda", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()
    with torch.inference_mode(), automatic:
        yield
    torch.backends.cuda.matmul.allow_tf32 = False


def loop(one, chain, first):
    def run():
        memory = first
        for ids in chain:
            memory = one(ids, memory)
        torch.cuda.synchronize()
        return memory
    return run


def captured(one, chain, first):
    """The step in a CUDA graph: ids and memory in static buffers."""
    ids, memory = chain[0].clone(), first.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            one(ids, memory)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        memory.copy_(one(ids, memory))

    def run():
        memory.copy_(first)
        for segment in chain:
            ids.copy_(segment)
            graph.replay()
        torch.cuda.synchronize()
        return memory
    return run


def in_own_types(model):
    """The step without autocast, which converts weights again and again where they are not in BF16 already."""
    def one(ids, memory):
        with torch.autocast("cuda", enabled=False):
            return step(model, ids, memory)
    return one


def peers_of(one, chain, first):
    """Name: function that runs the chain. What cannot be built is left out, with the reason."""
    torch._dynamo.reset()  # it compiles a function a few times, and then no more without a word
    peers = {"eager": loop(one, chain, first)}
    try:
        compiled = torch.compile(one, dynamic=False)
        compiled(chain[0], first)
        peers["compiled"] = loop(compiled, chain, first)
        peers["compiled, captured"] = captured(compiled, chain, first)
    except Exception as reason:  # the compiler of the machine may be missing
        print(f"  no compiled peer: {str(reason).splitlines()[0][:120]}")
        peers["eager, captured"] = captured(one, chain, first)
    return peers


def milliseconds(run):
    begin = time.perf_counter()
    run()
    return (time.perf_counter() - begin) * 1000


def ceilings():
    """TFLOP/s of PyTorch's matrix product by precision, and GB/s of a copy."""
    found = {}
    for precision in PRECISIONS:
        with in_precision(precision):
            a, b = (torch.randn(4096, 4096, device="cuda") for _ in range(2))
            if precision == "bf16":
                a, b = a.bfloat16(), b.bfloat16()
            for _ in range(3):
                a @ b
            torch.cuda.synchronize()
            took = statistics.median(milliseconds(lambda: (a @ b, torch.cuda.synchronize())) for _ in range(20))
            found[precision] = 2 * 4096 ** 3 / took / 1e9
    x = torch.randn(1 << 28, device="cuda")
    y = torch.empty_like(x)
    took = statistics.median(milliseconds(lambda: (y.copy_(x), torch.cuda.synchronize())) for _ in range(10))
    found["copy_gb"] = 2 * x.numel() * 4 / took / 1e6
    return found


def error(actual, expected):
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", required=True)
    parser.add_argument("--cuda-library", required=True)
    parser.add_argument("--cublas", help="path of libcublas; \"\": own products (default: what the system finds)")
    parser.add_argument("--models", default="tiny,mini,minilm,base")
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--precisions", default="fp32,tf32,bf16")
    parser.add_argument("--segments", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="write the rows to this file too")
    arguments = parser.parse_args()
    library = c.CDLL(os.path.abspath(arguments.library))
    peak = ceilings()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}; ceilings: "
          + ", ".join(f"{name} {peak[name]:.0f} TFLOP/s" for name in PRECISIONS) + f", copy {peak['copy_gb']:.0f} GB/s")
    rows = []
    failed = False
    for name in arguments.models.split(","):
        config = bert_config(name)
        model = BertModel(config, add_pooling_layer=False).eval().requires_grad_(False)
        state = state_of(model, torch.Generator().manual_seed(42))
        model.cuda()
        for batch in (int(b) for b in arguments.batches.split(",")):
            generator = np.random.default_rng(3)
            chain = [generator.integers(0, VOCAB_SIZE, (batch, INPUT_LENGTH), np.int32)
                     for _ in range(arguments.segments)]
            on_device = [torch.from_numpy(ids).long().cuda() for ids in chain]
            first = state["memory"].cuda().expand(batch, -1, -1).clone()
            with torch.inference_mode():
                model.double()
                checked = min(8, arguments.segments)
                exact = loop(lambda ids, memory: step(model, ids, memory), on_device[:checked], first.double())()
                exact = exact.cpu().numpy()
                model.float()
            for precision in arguments.precisions.split(","):
                try:
                    rows.append(compare(library, arguments, model, config, state, name, batch, precision, chain,
                                        on_device, first, exact, checked, peak))
                except AssertionError as difference:  # the other rows are still worth having
                    failed = True
                    print(f"  WRONG: {difference}", flush=True)
                write_json(arguments.json, {"device": torch.cuda.get_device_name(), "torch": torch.__version__,
                                            "ceilings": peak, "rows": rows})
    print(f"\n{'model':8} {'B':>3} {'':5} {'ours ms':>9} {'best peer':>10} {'ratio':>6} {'of peak':>8}  {'error':>8}  peer")
    for row in rows:
        print(f"{row['model']:8} {row['batch']:>3} {row['precision']:5} {row['ours_ms']:9.3f} {row['peer_ms']:10.3f} "
              f"{row['ratio']:6.2f} {100 * row['share_of_peak']:7.1f}%  {row['error']:8.1e}  {row['peer']}")
    if failed:
        raise SystemExit("Some rows are wrong and were not timed; see above.")


def compare(library, arguments, model, config, state, name, batch, precision, chain, on_device, first, exact, checked,
            peak):
    rmt = CudaRmt(library, config, state, arguments.cuda_library, arguments.cublas, precision, batch)
    rmt.run(chain[:checked])
    actual = rmt.memories().astype(np.float64)
    with in_precision(precision):
        peers = peers_of(lambda ids, memory: step(model, ids, memory), on_device, first)
        if precision == "bf16":
            whole = peers_of(in_own_types(copy.deepcopy(model).bfloat16()), on_device, first)
            peers.update({f"{kind}, all BF16": run for kind, run in whole.items()})
        runs = {"ours": lambda: rmt.run(chain), **peers}
        theirs = loop(lambda ids, memory: step(model, ids, memory), on_device[:checked], first)().cpu().numpy()
        allowed = max(4 * error(theirs, exact), 1e-5)
        found = error(actual, exact)
        assert found <= allowed, f"{name}, batch {batch}, {precision}: error {found}, PyTorch's own {error(theirs, exact)}"
        for run in runs.values():
            run()
        times = alternating(runs, arguments.rounds, lambda run: milliseconds(run) / len(chain))
    rmt.close()
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    best = min(peers, key=medians.get)
    print(f"  {name} B={batch} {precision}: error {found:.1e} (PyTorch {error(theirs, exact):.1e}); "
          + ", ".join(f"{kind} {value:.3f} ms" for kind, value in medians.items()), flush=True)
    return {"benchmark": "SegmentForward", "model": name, "batch": batch, "precision": precision, "peer": best,
            **compared(times["ours"], times[best]), "error": found, "peer_error": error(theirs, exact),
            "share_of_peak": batch * flops_per_segment(config) / medians["ours"] / 1e9 / peak[precision]}


if __name__ == "__main__":
    main()
