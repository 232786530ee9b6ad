"""A program of somebody's: asks a gateway through OpenAI's own client, for as long as it is told to.

`python -m tests.real.hosts.asks_on_and_on`, and a line of JSON for each order on its standard input:

    {"ask": {"base_url": …, "key": …, "model": …}}      one call after another, until the next order
    {"stream": {"base_url": …, "key": …, "model": …}}   one answer as a stream, beside the calls
    {"rest": true}                                      no more calls; answered when the last one has ended

It says a line of JSON for each call: when it ended, and its id, or what went wrong. It ends with its input.
"""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from typing import Any

import openai

PAUSE_SECONDS = 0.1
QUESTION = [{"role": "user", "content": "Hello"}]


def main() -> int:
    client: openai.OpenAI | None = None
    model, streams = "", list[threading.Thread]()
    while True:
        if select.select([sys.stdin], [], [], PAUSE_SECONDS if client else None)[0]:
            line = sys.stdin.readline()
            if not line:
                break
            order = json.loads(line)
            if "stream" in order:
                streams.append(threading.Thread(target=_stream, args=(order["stream"],)))
                streams[-1].start()
            elif "ask" in order:
                client, model = _client(order["ask"]), order["ask"]["model"]
            else:
                client = None
                _say({"resting": True})
        if client is not None:
            _say(_call(client, model))
    for each in streams:
        each.join()
    return 0


def _client(of: dict[str, str]) -> openai.OpenAI:
    return openai.OpenAI(base_url=of["base_url"], api_key=of["key"], max_retries=0, timeout=120)


def _call(client: openai.OpenAI, model: str) -> dict[str, Any]:
    try:
        answer = client.chat.completions.with_raw_response.create(model=model, messages=QUESTION)  # type: ignore[arg-type]
        assert answer.parse().choices
        return {"id": answer.headers["x-request-id"]}
    except openai.OpenAIError as fault:
        return {"fault": type(fault).__name__}


def _stream(of: dict[str, str]) -> None:
    """Says when the first words have come, and at its end what came in all."""
    said = list[str]()
    try:
        with _client(of).chat.completions.with_streaming_response.create(
            model=of["model"],
            messages=QUESTION,  # type: ignore[arg-type]
            stream=True,
            user="held",
        ) as answer:
            name = answer.headers["x-request-id"]
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    said.append(line.removeprefix("data: "))
                    if len(said) == 1:
                        _say({"stream_begun": name})
        _say({"stream_ended": name, "said": said})
    except (openai.OpenAIError, OSError) as fault:
        _say({"stream_broke": f"{type(fault).__name__}: {fault}", "said": said})


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"at": time.monotonic(), **what}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
