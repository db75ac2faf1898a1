#!/usr/bin/env python3
"""Checks librmt against PyTorch's BERT and times both, side by side, on one machine.

    cmake -S native -B native/build && cmake --build native/build -j
    python3 benchmarks/peers/compare_pytorch.py --library native/build/librmt.so

Needs torch and transformers; `--peer onnxruntime` needs onnxruntime and onnx too. One peer a process: with ONNX Runtime
in the process, PyTorch was seen to run several times slower on more than one thread. For each model: the memory
of a chain of RMT segments of unequal lengths is compared with the same chain in float64 PyTorch, for each instruction set
that this processor runs; then one segment of 512 positions is timed, in alternating rounds, with equal threads.
"""
import argparse
import ctypes as c
import functools
import json
import os
import statistics
import tempfile
import time

import numpy as np
import torch
from transformers import BertConfig, BertModel

MODELS = {  # layers, hidden, heads, intermediate
    "tiny": (2, 128, 2, 512),
    "mini": (4, 256, 4, 1024),
    "minilm": (6, 384, 12, 1536),
    "base": (12, 768, 12, 3072),
}
INPUT_LENGTH, NUM_MEM_TOKENS, VOCAB_SIZE = 512, 10, 1000


class DeviceOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("threads", c.c_int32), ("cpu_isa", c.c_char_p)]


class ModelConfig(c.Structure):
    _fields_ = [("struct_size", c.c_size_t)] + [
        (name, c.c_int32)
        for name in (
            "architecture hidden_size num_layers num_heads intermediate_size vocab_size max_positions "
            "type_vocab_size num_mem_tokens num_labels"
        ).split()
    ] + [("layer_norm_eps", c.c_float)]


class ParameterInfo(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("name", c.c_char * 96), ("num_dims", c.c_int32), ("dims", c.c_int64 * 2)]


class MemoryOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("num_slots", c.c_int32), ("max_batch_size", c.c_int32),
                ("max_input_length", c.c_int32)]


INTS = c.POINTER(c.c_int32)
FLOATS = c.POINTER(c.c_float)


class Segment(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("batch_size", c.c_int32), ("input_length", c.c_int32), ("ids", INTS),
                ("lengths", INTS), ("slots", INTS), ("read_memory_start", INTS), ("write_memory_start", INTS),
                ("head_position", INTS), ("causal", c.c_int32), ("all_rows", c.c_int32)]


class SegmentOutput(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("hidden", FLOATS), ("head_hidden", FLOATS), ("pooled", FLOATS),
                ("logits", FLOATS)]


class Rmt:
    """librmt with one model, one memory of one slot, from a PyTorch state dict."""

    def __init__(self, library, config, state, isa, threads):
        options = DeviceOptions(c.sizeof(DeviceOptions), threads, isa.encode())
        self.load(library, config, state, "rmt_device_create_cpu", options)

    def load(self, library, config, state, create_device, options, batch_size=1):
        self.library = library
        self.error = c.create_string_buffer(512)
        self.device, self.model, self.memory = c.c_void_p(), c.c_void_p(), c.c_void_p()
        self.check(create_device, c.byref(options), c.byref(self.device))
        shape = ModelConfig(c.sizeof(ModelConfig), 0, config.hidden_size, config.num_hidden_layers,
                            config.num_attention_heads, config.intermediate_size, config.vocab_size,
                            config.max_position_embeddings, config.type_vocab_size, NUM_MEM_TOKENS, 0,
                            config.layer_norm_eps)
        self.check("rmt_model_create", self.device, c.byref(shape), c.byref(self.model))
        for index in range(library.rmt_model_num_parameters(self.model)):
            info = ParameterInfo(c.sizeof(ParameterInfo))
            self.check("rmt_model_get_parameter_info", self.model, c.c_int32(index), c.byref(info))
            values = np.ascontiguousarray(state[info.name.decode()].float().numpy())
            self.check("rmt_model_set_parameter", self.model, c.c_int32(index), pointer(values, FLOATS), c.c_int64(0),
                       c.c_int64(values.size))
        self.check("rmt_model_finish", self.model)
        memory = MemoryOptions(c.sizeof(MemoryOptions), batch_size, batch_size, INPUT_LENGTH)
        self.check("rmt_memory_create", self.model, c.byref(memory), c.byref(self.memory))
        self.memory_shape = (NUM_MEM_TOKENS, config.hidden_size)
        self.slot = np.arange(batch_size, dtype=np.int32)
        self.start = np.ones(batch_size, np.int32)
        self.no_head = np.full(batch_size, -1, np.int32)

    def check(self, function, *arguments):
        status = getattr(self.library, function)(*arguments, self.error, c.c_size_t(len(self.error)))
        if status:
            raise RuntimeError(f"{function}: {self.error.value.decode()}")

    def forward(self, ids, all_rows=False):
        """One segment; ids (T) or (B, T) with anything at the memory positions 1 ... M."""
        length = np.full(self.slot.size, ids.shape[-1], np.int32)
        segment = Segment(c.sizeof(Segment), length.size, ids.shape[-1], pointer(ids, INTS), pointer(length, INTS),
                          pointer(self.slot, INTS), pointer(self.start, INTS), pointer(self.start, INTS),
                          pointer(self.no_head, INTS), 0, int(all_rows))
        self.check("rmt_segment_forward", self.memory, c.byref(segment), None)

    def read_memory(self, slot=0):
        values = np.empty(self.memory_shape, np.float32)
        self.check("rmt_memory_get", self.memory, c.c_int32(slot), c.c_int32(0), pointer(values, FLOATS),
                   c.c_int64(values.size))
        return values

    def close(self):
        for kind, handle in (("memory", self.memory), ("model", self.model), ("device", self.device)):
            destroy = getattr(self.library, f"rmt_{kind}_destroy")
            destroy.restype = None
            destroy(handle)


def pointer(array, kind):
    return array.ctypes.data_as(kind)


def torch_segment(model, ids, memory):
    """The same RMT segment in PyTorch; memory (M, H). Returns the new memory."""
    embeddings = model.embeddings.word_embeddings(torch.as_tensor(ids, dtype=torch.long)).clone()
    embeddings[1 : 1 + NUM_MEM_TOKENS] = memory
    return model(inputs_embeds=embeddings[None]).last_hidden_state[0, 1 : 1 + NUM_MEM_TOKENS]


def onnx_session(model, hidden_size, num_heads, threads):
    """ONNX Runtime with its fused operators, or None and the reason."""
    try:
        import onnxruntime
        from onnxruntime.transformers import optimizer

        class Encoder(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model

            def forward(self, x):
                return self.model(inputs_embeds=x).last_hidden_state

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "encoder.onnx")
            x = torch.zeros(1, INPUT_LENGTH, hidden_size)
            torch.onnx.export(Encoder(), (x,), path, input_names=["x"], output_names=["y"], opset_version=17,
                              dynamo=False)
            fused = optimizer.optimize_model(path, "bert", num_heads=num_heads, hidden_size=hidden_size)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            operators = {node.op_type for node in fused.model.graph.node}
            note = "fused attention" if operators & {"Attention", "MultiHeadAttention"} else "unfused attention"
            return onnxruntime.InferenceSession(fused.model.SerializeToString(), options,
                                                providers=["CPUExecutionProvider"]), note
    except Exception as reason:  # a peer that cannot be built is left out, and said so
        return None, f"left out: {str(reason).splitlines()[0][:120]}"


def timed(run, seconds):
    """Milliseconds of one run, from as many runs as fit into `seconds`."""
    count, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        run()
        count += 1
    return (time.perf_counter() - begin) * 1000 / count


def bert_config(name, **others):
    """The shape of one of MODELS; seeds PyTorch, so that weights made from it are the same in every run."""
    layers, hidden, heads, intermediate = MODELS[name]
    torch.manual_seed(7)
    return BertConfig(vocab_size=VOCAB_SIZE, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
                      intermediate_size=intermediate, initializer_range=0.05, **others)


def alternating(runs, rounds, measure):
    """What `measure` says of each run in each round, by name; the order turns round after round."""
    times = {kind: [] for kind in runs}
    for turn in range(rounds):
        for kind in list(runs) if turn % 2 == 0 else list(runs)[::-1]:
            times[kind].append(measure(runs[kind]))
    return times


def compared(ours, peer):
    """Medians, and the ratio of the rounds: peer / ours."""
    ratios = [p / o for p, o in zip(peer, ours)]
    return {"ours_ms": statistics.median(ours), "peer_ms": statistics.median(peer), "ratio": statistics.median(ratios),
            "ratio_min": min(ratios), "ratio_max": max(ratios)}


def write_json(path, content):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)


def state_of(model, generator):
    state = dict(model.state_dict())
    state["memory"] = torch.randn(NUM_MEM_TOKENS, model.config.hidden_size, generator=generator) * 0.5
    return state


def compare(name, peer, threads, rmt_arguments, ids, run_peer, note, rounds):
    """One segment, ours against a peer, in alternating windows. Returns a row of results."""
    rmt = Rmt(*rmt_arguments, threads)
    runs = {"ours": lambda: rmt.forward(ids, all_rows=True), "saving": lambda: rmt.forward(ids), "peer": run_peer}
    with torch.inference_mode():
        for run in runs.values():
            timed(run, 0.3)
        times = alternating(runs, rounds, lambda run: timed(run, 0.4))
    rmt.close()
    return {"benchmark": "SegmentForward", "model": name, "peer": peer, "threads": threads,
            "isa": rmt_arguments[3], **compared(times["ours"], times["peer"]),
            "ratio_recurrence": compared(times["saving"], times["peer"])["ratio"], "note": note}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="native/build/librmt.so")
    parser.add_argument("--models", default="tiny,mini,minilm,base")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--peer", default="pytorch", choices=("pytorch", "onnxruntime"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="write the rows to this file too")
    arguments = parser.parse_args()
    library = c.CDLL(os.path.abspath(arguments.library))
    library.rmt_cpu_isas.restype = c.c_char_p
    isas = library.rmt_cpu_isas().decode().split(",")
    print(f"instruction sets: {', '.join(isas)}; torch {torch.__version__}; {os.cpu_count()} processors")
    generator = torch.Generator().manual_seed(42)
    rows = []
    for name in arguments.models.split(","):
        config = bert_config(name)
        model = BertModel(config, add_pooling_layer=False).eval().requires_grad_(False)
        state = state_of(model, generator)
        chain = [torch.randint(0, VOCAB_SIZE, (length,), generator=generator).numpy().astype(np.int32)
                 for length in (100, 512, 511, 97)]
        with torch.inference_mode():
            memories = {}
            for precision in (torch.float32, torch.float64):
                model.to(precision)
                memory = state["memory"].to(precision)
                memories[precision] = []
                for ids in chain:
                    memory = torch_segment(model, ids, memory)
                    memories[precision].append(memory.double().numpy())
            model.to(torch.float32)
        expected = memories[torch.float64]

        def error(actual):
            return max(np.abs(a - e).max() / np.abs(e).max() for a, e in zip(actual, expected))

        print(f"{name}: largest relative error of memory over {len(chain)} segments: "
              f"PyTorch fp32 {error(memories[torch.float32]):.1e}", end="")
        for isa in isas:
            if isa == "reference" and name == "base":
                continue  # minutes, and it is checked on the smaller ones
            rmt = Rmt(library, config, state, isa, 2)
            actual = []
            for ids in chain:
                rmt.forward(ids)
                actual.append(rmt.read_memory().astype(np.float64))
            rmt.close()
            print(f", {isa} {error(actual):.1e}", end="")
            assert error(actual) <= max(2 * error(memories[torch.float32]), 1e-6), f"{isa} is wrong"
        print(flush=True)

        ids = chain[1]
        for threads in (int(t) for t in arguments.threads.split(",")):
            torch.set_num_threads(threads)
            if arguments.peer == "pytorch":
                run, note = functools.partial(torch_segment, model, ids, state["memory"]), model.config._attn_implementation
            else:
                session, note = onnx_session(model, config.hidden_size, config.num_attention_heads, threads)
                if session is None:
                    print(f"{name}, {threads} threads: onnxruntime {note}", flush=True)
                    continue
                x = model.embeddings.word_embeddings(torch.as_tensor(ids, dtype=torch.long))[None].numpy()
                run = functools.partial(session.run, None, {"x": x})
            rows.append(compare(name, arguments.peer, threads, (library, config, state, isas[0]), ids, run, note,
                                arguments.rounds))
    print(f"\n{'model':8}{'threads':>8}{'peer':>14}{'ours ms':>11}{'peer ms':>11}{'peer / ours (min-max)':>24}"
          f"{'recurrence':>12}")
    for row in rows:
        spread = f"({row['ratio_min']:.2f}-{row['ratio_max']:.2f})"
        print(f"{row['model']:8}{row['threads']:8}{row['peer']:>14}{row['ours_ms']:11.3f}{row['peer_ms']:11.3f}"
              f"{row['ratio']:10.2f} {spread:13}{row['ratio_recurrence']:12.2f}   {row['note']}")
    write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
