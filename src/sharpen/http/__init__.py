"""Speaking to a `sharpen serve` on another machine.

``connection`` sends one request at a time; ``keys`` finds the key to show; ``server_folder`` has the folder
of this machine that stands for a server, so that whatever takes a store's folder can be given a server. Only
the last is imported with the room: most programs speak to a socket.
"""

from sharpen.http.server_folder import cache_folder, checked_url, folder_of, home_of, server_of, shown

__all__ = ["cache_folder", "checked_url", "folder_of", "home_of", "server_of", "shown"]
