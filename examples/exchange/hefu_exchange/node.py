"""A node of the example, by its command line alone."""

import json
import subprocess
import time

# A node is there within a second; a busy machine may take longer.
START_TIMEOUT_S = 20
COMMAND_TIMEOUT_S = 60


def check(truth, what):
    """An assertion of the story, which `python3 -O` does not drop."""
    if not truth:
        raise SystemExit(f"not as expected: {what}")


class City:
    """A node, by its command line alone."""

    def __init__(self, program, base, key, name, port):
        self.program, self.key, self.name, self.port = program, key, name, port
        self.dir = base / key
        self.base, self.origin, self.server = base, f"localhost:{port}", None
        self.outputs = []

    def hefu(self, *arguments, given=None, codes=(0,), as_json=False):
        """Runs a command; its output, as JSON where asked."""
        command = [
            self.program,
            "--dir",
            str(self.dir),
            "--lang",
            "en",
            *(["--json"] if as_json else []),
            *map(str, arguments),
        ]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_S)
        self.outputs += [done.stdout, done.stderr]
        check(
            done.returncode in codes,
            f"hefu {arguments[0]} in {self.name}: {done.returncode}: {done.stderr.strip()} {done.stdout.strip()[:400]}",
        )
        return json.loads(done.stdout) if as_json else done.stdout.strip()

    def init(self):
        """Makes the node."""
        # The setting takes a GB/T 2260 code only; city and office of the records are those of the agreement.
        self.fingerprint = self.hefu(
            "init",
            "--url",
            f"https://{self.origin}",
            "--city",
            "000000",
            "--name",
            self.name,
            "--recovery-out",
            self.base / f"{self.key}-recovery.pem",
        )

    def serve(self, stack):
        """Starts the server and waits for it; `stack` ends it."""
        log = stack.enter_context(open(self.base / f"{self.key}.log", "wb"))
        self.server = subprocess.Popen([self.program, "--dir", str(self.dir), "serve"], stdout=log, stderr=log)
        stack.callback(self.stop)
        end = time.monotonic() + START_TIMEOUT_S
        while not (self.dir / "control.sock").exists():
            check(self.server.poll() is None and time.monotonic() < end, f"{self.name} serves")
            time.sleep(0.05)

    def stop(self):
        """Ends the server that this started."""
        self.server.terminate()
        try:
            self.server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
