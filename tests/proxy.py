"""A line between two processes of a test that can be cut, or hold what is sent, and is mended again."""

import contextlib
import socket
import threading


class Proxy:
    """Passes connections on, until it is cut: then it drops them and lets nobody in, until it is mended.

    A stalled one takes what is sent and lets nothing of it arrive: both ends think that they are connected.
    """

    def __init__(self, port):
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._is_cut = False
        self._open = set()
        self._there, self._back = threading.Event(), threading.Event()
        self.mend()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                try:
                    far = socket.create_connection(("127.0.0.1", self._target))
                except OSError:  # nobody is there just now
                    near.close()
                    continue
                self._open |= {near, far}
                for one, other, gate in ((near, far, self._there), (far, near, self._back)):
                    threading.Thread(target=self._pump, args=(one, other, gate), daemon=True).start()

    def _pump(self, one, other, gate):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                gate.wait()
                if not self._is_cut:
                    other.sendall(data)
        for each in (one, other):
            self._open.discard(each)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def cut(self):
        self._is_cut = True
        for gate in (self._there, self._back):
            gate.set()
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def stall(self, *directions):
        """Hold what is sent ``there`` or ``back``, or both."""
        for name, gate in (("there", self._there), ("back", self._back)):
            if name in (directions or ("there", "back")):
                gate.clear()

    def mend(self):
        self._is_cut = False
        for gate in (self._there, self._back):
            gate.set()

    def close(self):
        self.cut()
        self._listener.close()
