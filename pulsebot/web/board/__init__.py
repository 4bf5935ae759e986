"""The board: pages that show the state of all services in real time, read-only.

Rendered on the server and readable without JavaScript; kept fresh by server-sent events.
"""
