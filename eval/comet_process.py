"""This end of the pipe to COMET's worker: a process that may be slow, hang or die, and takes nothing down with it.

`comet_worker.py` is the other end and says what goes over the pipe.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import as_file, files
from pathlib import Path
from threading import Event, Thread, Timer
from typing import IO, Any

from .comet_install import INSTALL_COMMAND
from .corpus_metrics import MetricUnavailable


class WorkerProcess:
    """The worker process and its pipes.

    Args:
        python: of an environment with unbabel-comet.
        timeout: seconds for it to import COMET and say so.

    Raises:
        MetricUnavailable: it does not start, or dies at once.
    """

    def __init__(self, python: Path, timeout: float) -> None:
        with as_file(files(__package__).joinpath("comet_worker.py")) as script:
            try:
                # -I: neither PYTHONPATH nor the script's folder, where our comet.py would be taken for COMET's package.
                command = [str(python), "-I", str(script)]
                self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            except OSError as error:
                raise MetricUnavailable(f"{python} does not start: {error.strerror or error}", hint=INSTALL_COMMAND) from error
            assert self._popen.stderr is not None
            self._last_words: deque[str] = deque(maxlen=8)
            self._listener = Thread(target=self._listen, args=(self._popen.stderr,), daemon=True)
            self._listener.start()
            hello = self._next_line(b"", timeout)
        if not hello.get("ready"):
            self.close()
            raise MetricUnavailable(f"COMET does not start in {python}: {hello.get('error')}", hint=INSTALL_COMMAND)
        self.signature = f"Python{hello['python']}|Comet{hello['comet']}|fp32"

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._popen.poll() is None

    def ask(self, request: Mapping[str, object], timeout: float) -> dict[str, Any]:
        """Send one request and wait for its answer.

        Raises:
            MetricUnavailable: the process died (its last lines of standard error are in the message), was too slow and has been stopped,
                or answered something that is not a JSON object.
        """
        return self._next_line(json.dumps(request).encode("ascii") + b"\n", timeout)

    def _next_line(self, message: bytes, timeout: float) -> dict[str, Any]:
        try:
            return _parsed(self._exchange(message, timeout))
        except BaseException:
            self.kill()  # else the answer to an interrupted question would be taken for the next one's
            raise

    def _exchange(self, message: bytes, timeout: float) -> bytes:
        assert self._popen.stdin is not None and self._popen.stdout is not None
        with self._stopped_after(timeout) as late:
            # A process that is stopped closes its pipes, which ends a wait in either direction.
            with suppress(BrokenPipeError):
                self._popen.stdin.write(message)
                self._popen.stdin.flush()
            line = self._popen.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died(timeout if late.is_set() else None)
        return line

    @contextmanager
    def _stopped_after(self, seconds: float) -> Iterator[Event]:
        late = Event()

        def stop() -> None:
            late.set()
            self._popen.kill()

        timer = Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _listen(self, stream: IO[bytes]) -> None:
        """Keep the last lines of standard error, and keep the pipe from filling up."""
        for line in stream:
            if text := line.decode("utf-8", "replace").strip():
                self._last_words.append(text[:300])

    def _died(self, timeout: float | None) -> MetricUnavailable:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(5)  # its pipe is closed, so it is about to be gone
        self._listener.join(2)
        code = self._popen.returncode
        said = "".join(f"\n    {line}" for line in self._last_words)
        said = f"; its last words:{said}" if said else "; it said nothing"
        if timeout is not None:
            return MetricUnavailable(
                f"COMET gave no answer in {timeout:g} seconds and was stopped{said}", hint="a smaller batch or model, or a GPU"
            )
        how = f"was killed by {_signal_name(-code)}" if code is not None and code < 0 else f"ended with status {code}"
        hint = "it may have run out of memory: a smaller batch size or model" if code == -9 else "run it again; the other metrics stand"
        return MetricUnavailable(f"COMET's worker {how}{said}", hint=hint)

    def kill(self) -> None:
        """End it now."""
        self._popen.kill()
        self.close()

    def close(self) -> None:
        """End of input is the worker's sign to leave; it is killed when it does not."""
        assert self._popen.stdin is not None and self._popen.stdout is not None and self._popen.stderr is not None
        with suppress(OSError):
            self._popen.stdin.close()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._popen.stdout.close()
        self._listener.join(2)
        if not self._listener.is_alive():
            self._popen.stderr.close()


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise MetricUnavailable(f"COMET's worker answered {line[:200]!r}", hint="run it again; the other metrics stand")
    return answer


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
