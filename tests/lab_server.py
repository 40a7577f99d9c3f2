"""A JupyterLab of the tests' own, in folders of its own: no setting, no kernel and no notebook of the person's is touched."""

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from jupyter_server.serverapp import list_running_servers

from chapter10.authoring.texts import ROOT
from chapter10.exercises.record import VARIABLE as PROGRESS

STARTS = 120  # s in which a server must be there
# What would ask for something outside: news and updates. Nothing else is other than in a fresh JupyterLab.
SETTINGS = {"@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False}}


class Lab:
    """A running server over a copy of the notebooks, at the scale "smoke", at `address`. Stop it."""

    def __init__(self, folder: Path):
        self.notebooks = folder / "notebooks"
        shutil.copytree(ROOT / "notebooks", self.notebooks, ignore=shutil.ignore_patterns(".*"))
        for name, values in SETTINGS.items():
            path = folder / "settings" / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(values), "utf-8")
        runtime = folder / "runtime"
        environment = {
            **os.environ, "CHAPTER10_SCALE": "smoke", PROGRESS: str(folder / "progress.jsonl"), "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_RUNTIME_DIR": str(runtime), "JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
        }  # fmt: skip
        options = [
            "--no-browser", "--allow-root", "--expose-app-in-browser", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
            f"--ServerApp.root_dir={self.notebooks}", f"--IdentityProvider.token={secrets.token_hex(16)}",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=",
        ]  # fmt: skip
        self._said = (folder / "server.log").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], cwd=self.notebooks, env=environment,
            stdin=subprocess.DEVNULL, stdout=self._said, stderr=subprocess.STDOUT,
        )  # fmt: skip
        end = time.monotonic() + STARTS
        while not self._answers(runtime):
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                raise AssertionError(f"JupyterLab did not start: {self.said()[-2000:]}")
            time.sleep(0.1)

    def _answers(self, runtime: Path) -> bool:
        for found in list_running_servers(str(runtime)):
            self.address, self._token = found["url"], found["token"]
            with contextlib.suppress(OSError):  # told before it listens
                self._ask("status")
                return True
        return False

    def _ask(self, what: str, method: str = "GET") -> None:
        header = {"Authorization": f"token {self._token}"}
        asked = urllib.request.Request(f"{self.address}api/{what}", method=method, headers=header)
        urllib.request.urlopen(asked, timeout=10).close()

    def page(self, i: int) -> str:
        """The address of JupyterLab's page in its workspace number i."""
        return f"{self.address}lab/workspaces/{i}?reset&token={self._token}"

    def said(self) -> str:
        """What the server wrote so far."""
        self._said.flush()
        return Path(self._said.name).read_text("utf-8", errors="replace")

    def stop(self) -> None:
        """Ends the server, which ends its kernels."""
        try:
            self._ask("shutdown", "POST")
            self._process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()  # its kernels see that it is gone, and end
            self._process.wait()
        self._said.close()
