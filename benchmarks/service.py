"""How fast a service answers: 64 clients on this machine, a picture a request, beside the library in one process.

python benchmarks/service.py pictures/ --model mnist-grey

The clients share the processors with the service. Each sends its next picture as soon as it has the answer to the one
before. The library scores the same files in batches of 64, with the same threads.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from pixelrnn import Scorer
from pixelrnn.kernels.memory import keep_freed_memory


def main(
    pictures: Annotated[Path, tyro.conf.Positional], model: str = "mnist-grey", clients: int = 64, requests: int = 6_400
) -> None:
    """Measure both."""
    paths = sorted(pictures.rglob("*.png"))[:requests]
    contents = [path.read_bytes() for path in paths]
    keep_freed_memory()  # as commands do
    scorer, batches = Scorer(model), [contents[start : start + 64] for start in range(0, len(contents), 64)]
    scorer({"bytes": batches[0]})
    start = time.perf_counter()
    wanted = np.concatenate([scorer({"bytes": batch})["nats"] for batch in batches])
    library = len(contents) / (time.perf_counter() - start)
    print(f"library: {library:.1f} pictures a second")
    command = [sys.executable, "-m", "pixelrnn", "serve", model, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(re.search(r":(\d+)/", process.stdout.readline())[1])  # type: ignore[index]
            asyncio.run(asked(port, contents[:clients], clients))
            start = time.perf_counter()
            answers = asyncio.run(asked(port, contents, clients))
            rate = len(contents) / (time.perf_counter() - start)
        finally:
            process.terminate()
    nats = np.array([answer["results"][0]["nats"] for answer, _ in answers])
    milliseconds = 1_000 * np.array([seconds for _, seconds in answers])
    p50, p99 = np.quantile(milliseconds, [0.5, 0.99])
    print(f"service: {rate:.1f} pictures a second by {clients} clients, {rate / library:.3f} of the library's")
    print(f"latency: p50 {p50:.0f} ms, p99 {p99:.0f} ms, slowest {milliseconds.max():.0f} ms")
    print(f"nats: at most {np.abs(nats / wanted - 1).max():.1e} from the library's")


async def asked(port: int, contents: list[bytes], clients: int) -> list[tuple[dict[str, object], float]]:
    """The answer for each picture, and after how many seconds it came; raises an error for any but 200."""
    answers: list[tuple[dict[str, object], float] | None] = [None] * len(contents)
    left = iter(range(len(contents)))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in left:
            start, content = time.perf_counter(), contents[number]
            head = f"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: image/png\r\n"
            writer.write(head.encode() + f"Content-Length: {len(content)}\r\n\r\n".encode() + content)
            answer = await reader.readuntil(b"\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200"), answer
            length = int(re.search(rb"content-length: (\d+)", answer)[1])  # type: ignore[index]
            answers[number] = json.loads(await reader.readexactly(length)), time.perf_counter() - start
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers  # type: ignore[return-value]


if __name__ == "__main__":
    tyro.cli(main)
