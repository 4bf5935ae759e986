"""An app that makes its Pulse, uses it, forks, and goes on in both processes."""

import os

from crawler.sdk import Pulse

pulse = Pulse("svc-a")
pulse.message("before")
child = os.fork()
if child == 0:
    pulse.message("after, in child")
    pulse.close()
    os._exit(0)
pulse.message("after, in parent")
os.waitpid(child, 0)
