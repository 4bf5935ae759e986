"""Which probes there are: one line each, from the name in the settings to its class.

A new probe is one file and one line in each of the two tables.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from crawler.probes.base import Place, Probe
from crawler.probes.http import HttpProbe, HttpSettings
from crawler.probes.log import LogProbe, LogSettings
from crawler.probes.process import ProcessProbe, ProcessSettings

ProbeSettings = Annotated[HttpSettings | LogSettings | ProcessSettings, Field(discriminator="type")]

PROBES: dict[str, Callable[[Any, Place], Probe]] = {
    "http": HttpProbe,
    "log": LogProbe,
    "process": ProcessProbe,
}
