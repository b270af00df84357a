"""A relay between a port and its server that does to the bytes what bad networks and slow servers do."""
import os
import queue
import random
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Conformance"))

import far_side  # noqa: E402

IAC, SB = far_side.IAC, far_side.SB
NOTIFICATIONS = (100 + far_side.NOTIFY_LINESTATE, 100 + far_side.NOTIFY_MODEMSTATE, 100 + far_side.SUSPEND,
                 100 + far_side.RESUME)


class Relay:
    """Takes clients one after the other. Set its attributes before a port connects."""

    # Sends each byte in a segment of its own, both ways.
    one_byte_segments = False
    # Answers to COM-PORT commands: seconds by which they come later; every nth is dropped (0: none); seconds during
    # which they are gathered, to be sent in a random order.
    delay = 0.0
    drop_every = 0
    gather = 0.0

    def __init__(self, target, seed=2217):
        host, port = str(target).rsplit(":", 1)
        self.target = (host, int(port))
        self.random = random.Random(seed)
        self.answers = self.dropped = self.moved = 0
        self.segments = 0
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(4)
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])
        threading.Thread(target=self.accept, daemon=True).start()

    def __str__(self):
        return self.address

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            server = socket.create_connection(self.target)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lock = threading.Lock()
            for copy in (lambda: self.forward(client, server), lambda: self.backward(server, client, lock)):
                threading.Thread(target=self.until_the_end, args=(copy, client, server), daemon=True).start()

    @staticmethod
    def until_the_end(copy, client, server):
        try:
            copy()
        except OSError:
            pass
        for end in (client, server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def send(self, sink, data):
        if not self.one_byte_segments:
            sink.sendall(data)
            return
        for index in range(len(data)):
            sink.sendall(data[index:index + 1])
            self.segments += 1

    def forward(self, client, server):
        while True:
            data = client.recv(65536)
            if not data:
                return
            self.send(server, data)

    def backward(self, server, client, lock):
        """From the server to the port: answers take their own way, everything else goes on at once."""
        pending = b""
        gathered = []

        def send(data):
            with lock:
                self.send(client, data)

        late = queue.Queue()

        def send_late():
            while True:
                due, data = late.get()
                time.sleep(max(due - time.monotonic(), 0))
                try:
                    send(data)
                except OSError:  # the connection has ended meanwhile
                    return

        threading.Thread(target=send_late, daemon=True).start()
        server.settimeout(self.gather or None)
        while True:
            try:
                data = server.recv(65536)
                if not data:
                    return
            except socket.timeout:
                order = list(gathered)
                self.random.shuffle(order)
                self.moved += order != gathered
                send(b"".join(order))
                gathered.clear()
                continue
            plain = b""
            parts, pending = split(pending + data)
            for part in parts:
                if not is_answer(part):
                    plain += part
                    continue
                self.answers += 1
                if self.drop_every and self.answers % self.drop_every == 0:
                    self.dropped += 1
                elif self.gather:
                    gathered.append(part)
                elif self.delay:
                    if plain:
                        send(plain)
                        plain = b""
                    late.put((time.monotonic() + self.delay, part))
                else:
                    plain += part
            if plain:
                send(plain)


def is_answer(part):
    """Is it a COM-PORT suboption that answers a command?"""
    return part[:3] == bytes([IAC, SB, far_side.COM_PORT]) and part[3] not in NOTIFICATIONS


def split(data):
    """Complete parts of a stream, each plain bytes or one Telnet command; and the incomplete rest."""
    parts, offset = [], 0
    while offset < len(data):
        if data[offset] != IAC:
            end = data.find(bytes([IAC]), offset)
            end = len(data) if end < 0 else end
        elif len(data) - offset < 2:
            break
        elif data[offset + 1] == SB:
            end = far_side.FarSide.end_of_suboption(data, offset + 2)
            if end is None:
                break
            end += 2
        else:
            end = offset + (3 if far_side.WILL <= data[offset + 1] <= far_side.DONT else 2)
            if end > len(data):
                break
        parts.append(data[offset:end])
        offset = end
    return parts, data[offset:]
