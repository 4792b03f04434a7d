"""A headless Chromium spoken to over its DevTools protocol: open a page, run scripts, press keys, take pictures."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS = {"Enter": 13, " ": 32, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36}


class Browser:
    """One page in a browser of its own, closed by `close`; `said` holds errors and warnings of the console."""

    def __init__(self, folder: Path) -> None:
        program = next((found for name in NAMES if (found := shutil.which(name))), None)
        assert program, f"none of {', '.join(NAMES)} is installed"
        self.loop = asyncio.new_event_loop()
        self.log = (folder / "browser.log").open("w")
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run"]
        self.process = subprocess.Popen(
            [program, *arguments, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdout=self.log, stderr=self.log,
        )  # fmt: skip
        port_file = folder / "profile" / "DevToolsActivePort"
        until = time.monotonic() + 30
        while not port_file.exists() or len(port_file.read_text().splitlines()) < 2:
            assert time.monotonic() < until and self.process.poll() is None, "the browser did not start"
            time.sleep(0.05)
        self.port = port_file.read_text().splitlines()[0]
        self.said: list[str] = []
        self.requests: list[str] = []
        self.events: list[str] = []
        self.number = 0
        self.socket: Any = self.loop.run_until_complete(self._connect())
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    async def _connect(self) -> Any:
        found = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{self.port}/json")
        page = next(one for one in json.loads(found.body) if one["type"] == "page")
        return await websocket_connect(page["webSocketDebuggerUrl"], max_message_size=2**28)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Result of a command of the protocol."""
        return self.loop.run_until_complete(asyncio.wait_for(self._call(method, parameters), 60))

    async def _call(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        await self.socket.write_message(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            found = await self._next()
            if found.get("id") == self.number:
                assert "error" not in found, found
                return dict(found["result"])

    async def _next(self) -> dict[str, Any]:
        text = await self.socket.read_message()
        assert text is not None, "the browser closed"
        found = dict(json.loads(text))
        method, parameters = found.get("method", ""), found.get("params", {})
        self.events.append(method)
        if method == "Runtime.exceptionThrown":
            self.said.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.said.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.said.append(json.dumps(parameters["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        return found

    def open(self, file: Path, width: int = 1280, height: int = 900) -> None:
        """Show a file in a window of that size and wait until it is loaded."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.events.clear()
        self.call("Page.navigate", url=file.resolve().as_uri())

        async def loaded() -> None:
            while "Page.loadEventFired" not in self.events:
                await self._next()

        self.loop.run_until_complete(asyncio.wait_for(loaded(), 60))
        self.settle()

    def settle(self) -> None:
        """Wait until the page has drawn itself twice."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def colours(self, scheme: str) -> None:
        """Say that the reader's system is light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.settle()

    def press(self, key: str) -> None:
        """Press and release a key where the focus is."""
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        named = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0]))}
        self.call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)
        self.settle()

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with the left button."""
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **button)
        for part in (0.25, 0.5, 0.75, 1.0):
            x, y = (a + part * (b - a) for a, b in zip(start, end, strict=True))
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, **button)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], **button)
        self.settle()

    def touch(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Drag with a finger."""
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": start[0], "y": start[1]}])
        for part in (0.25, 0.5, 0.75, 1.0):
            x, y = (a + part * (b - a) for a, b in zip(start, end, strict=True))
            self.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.settle()

    def picture(self, whole: bool = False) -> bytes:
        """The window, or the whole page, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def pixels(self) -> np.ndarray:
        """The window as (rows, columns, 3)."""
        from PIL import Image

        return np.asarray(Image.open(io.BytesIO(self.picture())).convert("RGB"))

    def pdf(self) -> bytes:
        """The page as it would be printed."""
        return base64.b64decode(self.call("Page.printToPDF", printBackground=True)["data"])

    def close(self) -> None:
        """Close page and browser."""
        self.socket.close()
        self.process.terminate()
        self.process.wait(20)
        self.loop.close()
        self.log.close()
