"""The program of the reading process; its argument is the socket that it was given."""

import sys

if __name__ == "__main__":
    # structlog would load it for tracebacks in colour, which nobody sees here: 8 MB, 0.1 s.
    sys.modules["rich"] = None  # type: ignore[assignment]
    from pulsebot.stream.apart.serving import serve

    serve(int(sys.argv[1]))
