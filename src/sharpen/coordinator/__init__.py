"""The coordinator of a store: events in, transactions, answers out. The one writer.

``core`` turns a batch of requests into one transaction, ``agent_ops`` has a function for each kind of
request, ``session`` what they share; ``restore`` and ``row_writer`` go from the store to a sweep's state and
back. ``committer`` gathers what is asked at one moment; ``unix_server`` carries messages; ``host`` holds the
store's lock and runs both. :func:`connect` reaches whichever process hosts, or hosts in this one when none
does. What a client needs is imported without the rest.
"""

from sharpen.coordinator.connection import connect
from sharpen.wire.processes import hostname, process_identity

__all__ = ["connect", "hostname", "process_identity"]
