"""payment: has a health page, which is slow or answers 503 for a while now and then.

It knows nothing of pulsebot: the crawler's HTTP probe asks the page as any browser would. The
listening socket is inherited, so that its port is taken before anybody is told about it.
"""

import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pulsebot.demo.services.acting import enter

SLOW_S = 0.9


class Health(ThreadingHTTPServer):
    """Serves the page on a socket that is bound already; `mood` is the act we are in."""

    daemon_threads = True
    mood = "well"

    def __init__(self, descriptor: int) -> None:
        inherited = socket.socket(fileno=descriptor)
        super().__init__(inherited.getsockname(), Page, bind_and_activate=False)
        self.socket.close()
        self.socket = inherited
        self.server_activate()


class Page(BaseHTTPRequestHandler):
    """Answers every GET with how we are."""

    server: Health

    def do_GET(self) -> None:
        """Answer 200, late where we are slow, or 503."""
        mood = self.server.mood
        if mood == "slow":
            time.sleep(SLOW_S)
        failing = mood == "failing"
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE if failing else HTTPStatus.OK)
        self.end_headers()
        self.wfile.write(b"the bank does not answer\n" if failing else b"ok\n")


def main() -> None:
    """Serve until stopped."""
    acting = enter("payment")
    with Health(int(sys.argv[3])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for act in acting.ticks():
            server.mood = act or server.mood


if __name__ == "__main__":
    main()
