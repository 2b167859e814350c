"""The coordinator of a store: events in, transactions, answers out. The one writer.

``core`` turns a batch of requests into one transaction, ``operations`` has a function for each kind of
request, ``desk`` what they share; ``restoring`` and ``writing`` go from the store to a sweep's state and
back. ``host`` holds the store's lock and answers on its socket; :func:`connect` reaches whichever process
hosts, or hosts in this one when none does. What a client needs is imported without the rest.
"""

from sharpen.coordinator.connecting import connect
from sharpen.coordinator.processes import born, hostname

__all__ = ["born", "connect", "hostname"]
