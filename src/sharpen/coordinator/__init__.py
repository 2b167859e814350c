"""The coordinator of a store: events in, transactions, answers out. The one writer.

``core`` turns a batch of requests into one transaction, ``operations`` has a function for each kind of
request, ``desk`` what they share; ``restoring`` and ``writing`` go from the store to a sweep's state and
back. ``host`` holds the store's lock and answers on its socket; :func:`connect` reaches whichever process
hosts, or hosts in this one when none does.
"""

from sharpen.coordinator.host import Host, connect, try_host
from sharpen.coordinator.processes import born, hostname
from sharpen.coordinator.restoring import rules_for

__all__ = ["Host", "born", "connect", "hostname", "rules_for", "try_host"]
