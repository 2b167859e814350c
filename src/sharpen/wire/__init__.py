"""How a client talks to the coordinator of a store, whatever carries the messages.

``protocol`` is what a message holds; ``channel`` the port that carries one there and its answer back, with a
table of the kinds of address; ``unix_socket`` the channel to a store on this machine; ``client`` asks, and
asks again, through the death of one host and the birth of the next.
"""

from sharpen.wire.channel import Channel, open_channel, scratch_folder, unix_address
from sharpen.wire.client import Client
from sharpen.wire.unix_socket import UnixChannel, socket_path

__all__ = [
    "Channel",
    "Client",
    "UnixChannel",
    "open_channel",
    "scratch_folder",
    "socket_path",
    "unix_address",
]
