"""A headless Chromium, driven by its DevTools protocol over a pair of pipes: no port, nothing from pip.

    with Browser() as browser, browser.page(width=800) as page:
        page.go("http://127.0.0.1:8080/")
        page.wait("document.querySelector('h1')")
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--disable-dev-shm-usage",
           "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
           "--force-color-profile=srgb", "--hide-scrollbars")
PATIENCE = 300  # seconds until a browser that says nothing, or not what is waited for, is given up
CLICKS = 20
KEYS = {"Enter": 13, "Tab": 9, "Home": 36, "End": 35, "PageUp": 33, "PageDown": 34, "ArrowLeft": 37, "ArrowUp": 38,
        "ArrowRight": 39, "ArrowDown": 40}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


def find_program():
    program = next((path for path in map(shutil.which, NAMES) if path), None)
    if not program:
        raise FileNotFoundError(f"none of these programs is installed: {', '.join(NAMES)}")
    return program


class Browser:
    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        theirs_in, self.outgoing = os.pipe()
        self.incoming, theirs_out = os.pipe()

        def place():  # the browser reads from 3 and writes to 4
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
            for number, fd in zip((3, 4), high):
                os.dup2(fd, number)

        self.process = subprocess.Popen([find_program(), *OPTIONS, f"--user-data-dir={self.folder.name}", "about:blank"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=place, pass_fds=(3, 4), cwd=self.folder.name,
                                        env={**os.environ, "HOME": self.folder.name})
        os.close(theirs_in)
        os.close(theirs_out)
        self.buffer, self.last_id, self.pages = b"", 0, {}
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
        except (OSError, EOFError, TimeoutError):
            self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self.incoming)
        os.close(self.outgoing)
        self.folder.cleanup()

    def receive(self):
        while b"\0" not in self.buffer:
            if not select.select([self.incoming], [], [], PATIENCE)[0]:
                raise TimeoutError("the browser says nothing")
            data = os.read(self.incoming, 1 << 20)
            if not data:
                raise EOFError("the browser has ended")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(line)

    def send(self, method, session=None, **parameters):
        self.last_id += 1
        message = {"id": self.last_id, "method": method, "params": parameters, **({"sessionId": session} if session else {})}
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.outgoing, data):]
        return self.last_id

    def call(self, method, session=None, **parameters):
        number = self.send(method, session, **parameters)
        while True:
            answer = self.receive()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer and answer.get("sessionId") in self.pages:
                self.pages[answer["sessionId"]].event(answer["method"], answer["params"])

    def page(self, width=1440, height=1000, dark=False):
        return Page(self, width, height, dark)


class Page:
    """A tab without cookies or storage of others. `requests`: all URLs that it asked for; `errors`: what its console has."""

    def __init__(self, browser, width, height, dark):
        self.browser, self.requests, self.errors, self.refusal = browser, [], [], None
        self.context = browser.call("Target.createBrowserContext")["browserContextId"]
        target = browser.call("Target.createTarget", url="about:blank", browserContextId=self.context, width=width, height=height)
        self.session = browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        browser.pages[self.session] = self
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.paint_dark(dark)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        del self.browser.pages[self.session]
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def event(self, method, given):
        if method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])
        elif method == "Fetch.requestPaused":
            name, refusal = ("fulfillRequest", self.refusal) if self.refusal else ("continueRequest", {})
            self.refusal = None
            self.browser.send(f"Fetch.{name}", self.session, requestId=given["requestId"], **refusal)
        elif method == "Runtime.exceptionThrown":
            details = given["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.errors.append(str([x.get("value", x.get("description")) for x in given["args"]]))
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{given['entry']['text']} {given['entry'].get('url', '')}")

    def resize(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def paint_dark(self, dark):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")

    def evaluate(self, script):
        """The value of an expression, awaited where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return answer["result"].get("value")

    def wait(self, condition):
        """Until the expression is true; its value. Also while a new document is being loaded."""
        end = time.monotonic() + PATIENCE
        while True:
            if time.monotonic() > end:
                raise TimeoutError(f"waited in vain until {condition}")
            try:
                value = self.evaluate(condition)
                if value:
                    return value
                self.evaluate("new Promise(resolve => setTimeout(resolve, 10))")
            except RuntimeError as error:
                if "context" not in str(error).lower() and "navigated" not in str(error).lower():
                    raise

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")

    def texts(self, selector):
        return self.evaluate(f"[...document.querySelectorAll({json.dumps(selector)})].map(element => element.textContent)")

    def click(self, selector):
        """By the mouse, at the middle of the element; again where it did not reach that, as what is laid out may still move."""
        for _ in range(CLICKS):
            x, y = self.evaluate(f"""(async () => {{
                const element = document.querySelector({json.dumps(selector)});
                element.scrollIntoView({{block: "center", inline: "center"}});
                for (let i = 0; i < 2; i++) await new Promise(resolve => requestAnimationFrame(resolve));
                window.isReached = false;
                element.addEventListener("click", () => {{ window.isReached = true; }}, {{capture: true, once: true}});
                const box = element.getBoundingClientRect();
                return [box.x + box.width / 2, box.y + box.height / 2];
            }})()""")
            for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
                self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="none" if kind == "mouseMoved" else "left", clickCount=1)
            try:
                if self.evaluate("window.isReached !== false"):
                    return
            except RuntimeError:  # the click has led to another document
                return
        raise AssertionError(f"{selector} cannot be clicked")

    def type(self, text):
        self.call("Input.insertText", text=text)

    def press(self, *keys):
        """Each "ArrowDown", "a" or "Control+Enter"."""
        for combination in keys:
            *held, key = combination.split("+")
            modifiers = sum(MODIFIERS[name] for name in held)
            text = "\r" if key == "Enter" else ""
            for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, modifiers=modifiers, text=text if kind == "keyDown" else "",
                          windowsVirtualKeyCode=KEYS.get(key, ord(key[0].upper())))

    def drop(self, selector, *paths):
        """Files dragged from outside the browser onto an element."""
        x, y = self.evaluate(f"(box => [box.x + box.width / 2, box.y + box.height / 2])(document.querySelector({json.dumps(selector)}).getBoundingClientRect())")
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def refuse_once(self, pattern, status, headers, body):
        """Answers the first request for a URL in the server's stead."""
        self.refusal = {"responseCode": status, "responseHeaders": [{"name": k, "value": v} for k, v in headers.items()],
                        "body": base64.b64encode(body).decode()}
        self.call("Fetch.enable", patterns=[{"urlPattern": pattern}])

    def screenshot(self):
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"])
