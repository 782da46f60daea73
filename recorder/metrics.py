"""All metrics there are: one line for each in the tables that are put together here."""

from recorder.book_metrics import BOOKS
from recorder.link_metrics import LINKS
from recorder.load_metrics import LOAD
from recorder.metric import Metric, Reading
from recorder.process_metrics import PROCESS
from recorder.silence_metrics import SILENCES
from recorder.storage_metrics import STORAGE
from recorder.traffic_metrics import TRAFFIC
from recorder.watch import Watch

METRICS: tuple[Metric, ...] = (*TRAFFIC, *LINKS, *SILENCES, *BOOKS, *LOAD, *STORAGE, *PROCESS)


def read(watch: Watch) -> list[Reading]:
    """What all of them say now. In the event loop: no frame comes in meanwhile."""
    return [Reading(metric, list(metric.read(watch))) for metric in METRICS]
