#!/usr/bin/env python3
"""Checks librmt's backward against PyTorch's BERT and times forward + backward of both, side by side, on one machine.

    cmake -S native -B native/build && cmake --build native/build -j
    python3 benchmarks/peers/compare_pytorch_training.py --library native/build/librmt.so

Needs torch and transformers. The work: a batch of segments of 512 positions, cross entropy of the classifier at [CLS], no
dropout, no optimizer, nothing recomputed. First every gradient is compared with float64 PyTorch, beside the error of
PyTorch's own float32; then both are timed in alternating rounds with equal threads: ours with all rows of the last layer
computed, as PyTorch does, and with only the row of [CLS].
"""
import argparse
import ctypes as c
import os

import numpy as np
import torch
from transformers import BertForSequenceClassification

from compare_pytorch import (FLOATS, INPUT_LENGTH, INTS, VOCAB_SIZE, DeviceOptions, ModelConfig, ParameterInfo,
                             alternating, bert_config, compared, pointer, timed, write_json)

NUM_LABELS, GRADIENTS = 6, 1
DOUBLES = c.POINTER(c.c_double)


class TrainerOptions(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("max_batch_size", c.c_int32), ("max_input_length", c.c_int32),
                ("max_total_length", c.c_int64), ("num_states", c.c_int32), ("num_tapes", c.c_int32),
                ("num_probe_outputs", c.c_int32), ("keep_average", c.c_int32)]


class TrainingSegment(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("batch_size", c.c_int32), ("input_length", c.c_int32), ("ids", INTS),
                ("lengths", INTS), ("read_state", INTS), ("write_state", INTS), ("read_memory_start", INTS),
                ("write_memory_start", INTS), ("head_position", INTS), ("labels", INTS), ("label_weights", FLOATS),
                ("probes", c.c_void_p), ("num_probes", c.c_int32), ("dropout_keys", c.c_void_p),
                ("hidden_dropout", c.c_float), ("attention_dropout", c.c_float), ("causal", c.c_int32),
                ("all_rows", c.c_int32)]


class TrainingOutput(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("losses", DOUBLES), ("logits", FLOATS), ("probe_losses", DOUBLES),
                ("probe_predictions", INTS)]


class Trainer:
    """librmt's trainer with the weights of a PyTorch model and no memory tokens: a plain BERT."""

    def __init__(self, library, config, state, isa, threads, ids, labels):
        self.library, self.error = library, c.create_string_buffer(512)
        library.rmt_trainer_num_parameters.restype = c.c_int32
        batch, length = ids.shape
        self.device, self.trainer = c.c_void_p(), c.c_void_p()
        options = DeviceOptions(c.sizeof(DeviceOptions), threads, isa.encode())
        self.check("rmt_device_create_cpu", c.byref(options), c.byref(self.device))
        shape = ModelConfig(c.sizeof(ModelConfig), 0, config.hidden_size, config.num_hidden_layers,
                            config.num_attention_heads, config.intermediate_size, config.vocab_size,
                            config.max_position_embeddings, config.type_vocab_size, 0, NUM_LABELS,
                            config.layer_norm_eps)
        options = TrainerOptions(c.sizeof(TrainerOptions), batch, length, 0, 1, 1, 0, 0)
        self.check("rmt_trainer_create", self.device, c.byref(shape), c.byref(options), c.byref(self.trainer))
        self.parameters = []
        for index in range(library.rmt_trainer_num_parameters(self.trainer)):
            info = ParameterInfo(c.sizeof(ParameterInfo))
            self.check("rmt_trainer_get_parameter_info", self.trainer, c.c_int32(index), c.byref(info))
            values = np.ascontiguousarray(state[info.name.decode()].float().numpy())
            self.check("rmt_trainer_set_values", self.trainer, c.c_int32(0), c.c_int32(index), pointer(values, FLOATS),
                       c.c_int64(0), c.c_int64(values.size))
            self.parameters.append((info.name.decode(), values.shape))
        self.keep = [ids, np.full(batch, length, np.int32), np.full(batch, -1, np.int32), np.zeros(batch, np.int32), labels,
                     np.full(batch, 1 / batch, np.float32)]
        ids, lengths, none, zero, labels, weights = self.keep
        self.segment = TrainingSegment(
            c.sizeof(TrainingSegment), batch, length, pointer(ids, INTS), pointer(lengths, INTS), pointer(none, INTS),
            pointer(none, INTS), pointer(none, INTS), pointer(none, INTS), pointer(zero, INTS), pointer(labels, INTS),
            pointer(weights, FLOATS), None, 0, None, 0, 0, 0, 0)
        self.losses = np.zeros(batch)
        self.output = TrainingOutput(c.sizeof(TrainingOutput), pointer(self.losses, DOUBLES), None, None, None)

    def check(self, function, *arguments):
        status = getattr(self.library, function)(*arguments, self.error, c.c_size_t(len(self.error)))
        if status:
            raise RuntimeError(f"{function}: {self.error.value.decode()}")

    def step(self, all_rows):
        """Forward and backward; gradients add up until they are cleared. Returns the mean loss."""
        self.segment.all_rows = int(all_rows)
        self.check("rmt_trainer_forward", self.trainer, c.c_int32(0), c.byref(self.segment), c.byref(self.output))
        self.check("rmt_trainer_backward", self.trainer, c.c_int32(0), c.byref(self.segment), c.c_int32(1), c.c_int32(0))
        return self.losses.mean()

    def gradients(self):
        self.check("rmt_trainer_clear_gradients", self.trainer)
        self.step(False)
        result = {}
        for index, (name, shape) in enumerate(self.parameters):
            values = np.empty(shape, np.float32)
            self.check("rmt_trainer_get_values", self.trainer, c.c_int32(GRADIENTS), c.c_int32(index),
                       pointer(values, FLOATS), c.c_int64(0), c.c_int64(values.size))
            result[name] = values.astype(np.float64)
        return result

    def close(self):
        for kind, handle in (("trainer", self.trainer), ("device", self.device)):
            destroy = getattr(self.library, f"rmt_{kind}_destroy")
            destroy.restype = None
            destroy(handle)


def names_of_hugging_face(name):
    return name if name.startswith("classifier") else "bert." + name


def torch_gradients(model, ids, labels):
    model.zero_grad()
    model(input_ids=ids, labels=labels).loss.backward()
    return {name: parameter.grad.double().numpy().copy() for name, parameter in model.named_parameters()
            if parameter.grad is not None}


def largest_error(actual, expected):
    """Of all gradients but those of key biases, which are zero in theory and noise in practice."""
    return max(np.abs(actual[name] - value).max() / np.abs(value).max() for name, value in expected.items()
               if not name.endswith("key.bias"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", default="native/build/librmt.so")
    parser.add_argument("--models", default="tiny,mini,minilm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", help="write the rows to this file too")
    arguments = parser.parse_args()
    library = c.CDLL(os.path.abspath(arguments.library))
    library.rmt_cpu_isas.restype = c.c_char_p
    isas = library.rmt_cpu_isas().decode().split(",")
    torch.set_num_threads(arguments.threads)
    print(f"instruction sets: {', '.join(isas)}; torch {torch.__version__} ({torch.__config__.parallel_info().splitlines()[0]}, "
          f"{'MKL' if torch.backends.mkl.is_available() else 'no MKL'}); {os.cpu_count()} processors")
    generator = torch.Generator().manual_seed(42)
    rows = []
    for name in arguments.models.split(","):
        config = bert_config(name, num_labels=NUM_LABELS, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = BertForSequenceClassification(config).train()
        # Not 0: PyTorch takes it for padding, whose row has no gradient.
        ids = torch.randint(1, VOCAB_SIZE, (arguments.batch, INPUT_LENGTH), generator=generator)
        labels = torch.randint(0, NUM_LABELS, (arguments.batch,), generator=generator)
        single = torch_gradients(model, ids, labels)
        expected = torch_gradients(model.double(), ids, labels)
        model.float()
        state = {key.removeprefix("bert."): value for key, value in model.state_dict().items()}
        yardstick = largest_error(single, expected)
        print(f"{name}: largest relative error of a gradient: PyTorch fp32 {yardstick:.1e}", end="")
        for isa in isas[:-1]:
            trainer = Trainer(library, config, state, isa, arguments.threads, ids.numpy().astype(np.int32),
                              labels.numpy().astype(np.int32))
            actual = {names_of_hugging_face(key): value for key, value in trainer.gradients().items()}
            error = largest_error(actual, expected)
            trainer.close()
            print(f", {isa} {error:.1e}", end="")
            assert error <= max(2 * yardstick, 1e-6), f"{isa} is wrong"
        print(flush=True)

        trainer = Trainer(library, config, state, isas[0], arguments.threads, ids.numpy().astype(np.int32),
                          labels.numpy().astype(np.int32))

        def run_torch():
            model(input_ids=ids, labels=labels).loss.backward()
            model.zero_grad(set_to_none=True)

        runs = {"all_rows": lambda: trainer.step(True), "saving": lambda: trainer.step(False), "peer": run_torch}
        for run in runs.values():
            timed(run, 0.5)
        times = alternating(runs, arguments.rounds, lambda run: timed(run, 1.0))
        trainer.close()
        for kind in ("all_rows", "saving"):
            rows.append({"benchmark": "SegmentTraining", "model": name, "peer": "pytorch", "threads": arguments.threads,
                         "isa": isas[0], "batch": arguments.batch, "last_layer": kind,
                         **compared(times[kind], times["peer"])})
    print(f"\n{'model':8}{'last layer':>12}{'ours ms':>11}{'peer ms':>11}{'peer / ours (min-max)':>24}")
    for row in rows:
        spread = f"({row['ratio_min']:.2f}-{row['ratio_max']:.2f})"
        print(f"{row['model']:8}{row['last_layer']:>12}{row['ours_ms']:11.2f}{row['peer_ms']:11.2f}{row['ratio']:10.2f} "
              f"{spread:13}")
    write_json(arguments.json, rows)


if __name__ == "__main__":
    main()
