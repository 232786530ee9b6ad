"""A real llama.cpp server on a tiny model that is written here: random weights, made the same in every run.

Run as a program (`python model_server.py --model FILE --port N`) it is the server itself; imported, it
writes the model and starts such programs.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy

from tests.real.processes import Process, free_port, wait_until_answers

WIDTH, LAYERS, HEADS, KV_HEADS, INNER, CONTEXT = 64, 2, 4, 2, 128, 1024
TEMPLATE = (
    "{% for m in messages %}<|u|>{{ m['role'] }}: {{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|a|>{% endif %}"
)
CONTROL, NORMAL = 3, 1


def write_model(file: Path) -> Path:
    """A llama of two layers with a byte vocabulary."""
    random = numpy.random.default_rng(20260401)
    tokens = ["<s>", "</s>", "<|u|>", "<|a|>", *_byte_letters(), "Ġa", "he", "ll"]
    kinds = [CONTROL] * 4 + [NORMAL] * (len(tokens) - 4)
    writer = gguf.GGUFWriter(str(file), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["Ġ a", "h e", "l l"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)

    def matrix(name: str, rows: int, columns: int) -> None:
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.2, (rows, columns)).astype(numpy.float32))

    def ones(name: str) -> None:
        writer.add_tensor(f"{name}.weight", numpy.ones(WIDTH, dtype=numpy.float32))

    kv_width = WIDTH * KV_HEADS // HEADS
    matrix("token_embd", len(tokens), WIDTH)
    ones("output_norm")
    matrix("output", len(tokens), WIDTH)
    for layer in range(LAYERS):
        for name, rows, columns in (
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", kv_width, WIDTH),
            ("attn_v", kv_width, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ):
            matrix(f"blk.{layer}.{name}", rows, columns)
        ones(f"blk.{layer}.attn_norm")
        ones(f"blk.{layer}.ffn_norm")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _byte_letters() -> list[str]:
    """The 256 letters that GPT-2's tokenizer writes the 256 bytes with."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(hidden))]


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A running llama.cpp. `base_url` is what a config names as api_base."""

    process: Process
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"


@contextmanager
def model_server(folder: Path, *, port: int | None = None) -> Iterator[ModelServer]:
    """llama.cpp, serving chat and embeddings until the block ends."""
    model = folder / "tiny.gguf"
    if not model.exists():
        write_model(model)
    port = port or free_port()
    command = [sys.executable, __file__, "--model", str(model), "--port", str(port)]
    with Process.started(command, folder / "model-server.log") as process:
        wait_until_answers(process, port, "/health")
        yield ModelServer(process, port)


def _main() -> None:
    import xllamacpp

    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    params = xllamacpp.CommonParams()
    params.model.path = given.model
    params.hostnames = ["127.0.0.1"]
    params.port = given.port
    params.n_ctx = CONTEXT * 4
    params.n_parallel = 4
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.ui = False
    params.embedding = True
    params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    _main()
