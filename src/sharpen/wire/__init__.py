"""How a client talks to the coordinator of a store, whatever carries the messages.

``protocol`` is what a message holds; ``channel`` the port that carries one there and its answer back, with a
table of the kinds of address; ``unix_socket`` the channel to a store on this machine, ``http_channel`` the
one to a server; ``client`` asks, and asks again, through the death of one host and the birth of the next.
"""

from sharpen.wire.channel import Channel, address_of, open_channel, scratch_folder
from sharpen.wire.client import Client
from sharpen.wire.unix_socket import UnixChannel, socket_path

__all__ = [
    "Channel",
    "Client",
    "UnixChannel",
    "address_of",
    "open_channel",
    "scratch_folder",
    "socket_path",
]
