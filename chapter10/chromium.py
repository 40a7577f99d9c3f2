"""Chromium through its debugging pipe: real keys, real frames, driven with the standard library alone."""

import json
import os
import select
import signal
import subprocess
import time
from pathlib import Path

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--window-size=1200,1000",
]  # fmt: skip


class DevTools:
    """What one asks of a page through Chromium's DevTools protocol, however its commands get there."""

    def call(self, method: str, **params: object) -> dict:
        """One command of the protocol, and its result."""
        raise NotImplementedError

    def js(self, expression: str) -> object:
        """The value of an expression in the page; a promise is waited for."""
        r = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in r:
            raise AssertionError(json.dumps(r["exceptionDetails"])[:800])
        return r["result"].get("value")

    def key(self, name: str, code: int) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)


class Chromium(DevTools):
    """One page in a headless browser with a profile of its own; close it, or use it in `with contextlib.closing(...)`.

    Args:
        executable: a Chromium or Chrome. profile: a folder for its files.
    Attributes:
        problems: what went wrong in the page. requests: what it asked for.
    """

    def __init__(self, executable: str, profile: Path):
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()

        def place() -> None:  # Chromium reads from descriptor 3 and writes to 4
            read, write = os.dup(to_read), os.dup(to_write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        # subprocess's own pipe to the child must not be one of the two numbers that are taken there
        spare = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
        self._process = subprocess.Popen(
            [executable, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=(3, 4), preexec_fn=place, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for descriptor in (*spare, to_read, to_write):
            os.close(descriptor)
        self._buffer, self._count, self._session = b"", 0, None
        self.path: Path | None = None  # of the page, for who opens it again
        self.problems: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict:
        """One command of the DevTools protocol, and its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + 60
        while True:
            answer = self._next(end)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self._note(answer)

    def _next(self, end: float) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0, end - time.monotonic()))
            data = os.read(self._in, 1 << 20) if ready else b""
            if not data:
                raise TimeoutError("Chromium does not answer")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(line)

    def _note(self, event: dict) -> None:
        p = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(p["exceptionDetails"])[:800])
        elif event.get("method") == "Runtime.consoleAPICalled" and p["type"] == "error":
            self.problems.append(json.dumps(p["args"])[:800])
        elif event.get("method") == "Log.entryAdded" and p["entry"]["level"] == "error":
            self.problems.append(p["entry"]["text"])
        elif event.get("method") == "Network.requestWillBeSent":
            self.requests.append(p["request"]["url"][:100])

    def open(self, path: Path) -> None:
        self.call("Page.navigate", url=path.as_uri())
        end = time.monotonic() + 30
        while self.js("document.readyState") != "complete" or self.js("location.href") != path.as_uri():
            if time.monotonic() > end:
                raise TimeoutError(f"{path} did not load")
            time.sleep(0.02)

    def close(self) -> None:
        try:
            self._session = None
            self.call("Browser.close")
            self._process.wait(5)
        except (OSError, RuntimeError, TimeoutError, subprocess.TimeoutExpired):
            pass
        try:  # the group is this browser's own
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self._process.wait()
        os.close(self._in)
        os.close(self._out)
