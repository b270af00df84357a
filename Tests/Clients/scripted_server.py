#!/usr/bin/python3
"""An RFC 2217 server that does as a case tells it: stops reading, goes on, sends, finishes, closes, resets the connection,
changes its lines.

usage: scripted_server.py CONTROL [--address A] [--receive-buffer BYTES] [--nagle] [--split] [--greet]
                          [--turn-away]

A process of its own, so that it can be in a network namespace of its own. The case sends it one line of JSON for each
request, over the Unix socket CONTROL, and gets one line back: see `ScriptedServer`, which is the case's end.
"""
import argparse
import base64
import json
import os
import select
import socket
import struct
import sys
import termios
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Conformance"))

import far_side  # noqa: E402
import fixture  # noqa: E402

SIOCOUTQ = 0x5411
STATUS = 5
GREETING = (far_side.SGA, far_side.ECHO, STATUS)
BUSY = b"Port already in use\r\n"


def pattern(count):
    """The bytes that a server sends: all values, and no short period."""
    return b"".join(struct.pack(">HBB", n >> 8 & 0xFFFF, n & 0xFF, 0xFF) for n in range((count + 3) // 4))[:count]


class ScriptedServer(fixture.Server):
    """The case's end: a method for each request."""

    def __init__(self, test, options, namespace=None):
        test.names += 1
        label = "scripted{}".format(test.names)
        control = os.path.join(test.directory, label + ".socket")
        command = [sys.executable, os.path.abspath(__file__), control] + list(options)
        if namespace:
            command += ["--address", namespace.there]
        super().__init__(test, label, command, namespace and namespace.enter)
        self.namespace = namespace
        self.address = self.expect(r"listening on (\S+)").group(1)
        self.control = socket.socket(socket.AF_UNIX)
        self.control.settimeout(10)
        self.control.connect(control)
        self.answers = self.control.makefile("r")

    def ask(self, request, **arguments):
        self.control.sendall(json.dumps(dict(arguments, do=request)).encode() + b"\n")
        return json.loads(self.answers.readline())

    @property
    def facts(self):
        return self.ask("facts")

    def data(self, connection=0):
        """Data bytes of one connection, counted from 0."""
        return base64.b64decode(self.ask("data", connection=connection))


class Incarnation:
    """The bytes that the server got from one connection."""

    def __init__(self):
        self.data = bytearray()
        # Bytes of data before the last command that was answered.
        self.confirmed = 0


class Server(far_side.FarSide):
    """The far side of the conformance list, with one thread for everything, and one record for each connection."""

    def __init__(self, options):
        far_side.Recorder.__init__(self)
        self.lock = threading.RLock()
        self.options = options
        self.defaults()
        self.client = None
        # Connections that a cable has cut off: their end is never heard of.
        self.left = []
        self.outgoing = b""
        # Two numbers of bytes, as they were seen last, and the times when they last changed.
        self.seen_last = {"unsent": 0, "unread": 0}
        self.changed_at = {name: time.monotonic() for name in self.seen_last}
        self.pending = b""
        self.is_reading = True
        self.incarnations = []
        self.turns_away = 1 << 30 if options.turn_away else 0
        self.turned_away = []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if options.receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receive_buffer)
        self.listener.bind((options.address, 0))
        self.listener.listen(8)
        self.control_listener = socket.socket(socket.AF_UNIX)
        self.control_listener.bind(options.control)
        self.control_listener.listen(1)

    # Telnet: the far side's, except where its bytes go.

    def record(self, kind, value=None, segment=None):
        if kind == "data":
            self.incarnations[-1].data += value

    def com_port(self, code, value, answers, segment):
        before = len(answers)
        super().com_port(code, value, answers, segment)
        if len(answers) > before:
            self.incarnations[-1].confirmed = len(self.incarnations[-1].data)
        self.hold(answers, before)

    def negotiate(self, kind, option, answers):
        if self.greeting and kind in (far_side.DO, far_side.DONT) and option == self.greeting[0]:
            self.greeting.pop(0)
            if self.greeting:
                answers += self.offer()
            else:
                answers += self.held
        else:
            before = len(answers)
            super().negotiate(kind, option, answers)
            self.hold(answers, before)

    def offer(self):
        return bytes([far_side.IAC, far_side.WILL, self.greeting[0]])

    def hold(self, answers, start):
        """Nothing else is answered before the greeting has come to its end."""
        if self.greeting:
            self.held += answers[start:]
            del answers[start:]

    def transmit(self, data):
        if self.options.split and len(data) > 3 and not self.outgoing:
            # Two segments, if the second one need not wait for the acknowledgement of the first.
            self.push(data[:3])
            self.push(data[3:])
        else:
            self.push(data)

    def push(self, data):
        self.outgoing += data
        try:
            sent = self.client.send(self.outgoing)
        except BlockingIOError:
            return
        self.outgoing = self.outgoing[sent:]

    # Connections.

    def run(self):
        print("listening on {}:{}".format(*self.listener.getsockname()), flush=True)
        case, _ = self.control_listener.accept()
        requests = case.makefile("r")
        while True:
            readable = [case, self.listener] + self.turned_away
            if self.client and self.is_reading:
                readable.append(self.client)
            writable = [self.client] if self.client and self.outgoing else []
            readable, writable, _ = select.select(readable, writable, [])
            if self.listener in readable:
                self.accept()
                continue
            for client in set(self.turned_away) & set(readable):
                self.hear_turned_away(client)
            try:
                if writable and self.client:
                    self.push(b"")
                if self.client in readable and self.client:
                    self.take(65536)
            except OSError:
                self.drop_client()
            if case in readable:
                line = requests.readline()
                if not line:
                    return
                case.sendall(json.dumps(self.answer(json.loads(line))).encode() + b"\n")

    def accept(self):
        client, _ = self.listener.accept()
        if self.turns_away > 0:
            self.turns_away -= 1
            client.sendall(BUSY)
            client.shutdown(socket.SHUT_WR)
            # A close with unread bytes would be a reset, which overtakes the text.
            self.turned_away.append(client)
            return
        client.setblocking(False)
        if not self.options.nagle:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.client:
            self.left.append(self.client)
        self.client = client
        self.offered = set()
        self.outgoing = self.pending = b""
        self.incarnations.append(Incarnation())
        self.held = b""
        self.greeting = list(GREETING) if self.options.greet else []
        if self.greeting:
            self.push(self.offer())

    def hear_turned_away(self, client):
        try:
            if client.recv(65536):
                return
        except OSError:
            pass
        self.turned_away.remove(client)
        client.close()

    def take(self, count):
        data = self.client.recv(count)
        if not data:
            return self.drop_client()
        self.pending = self.parse(self.pending + data, 0)

    def drop_client(self):
        if self.client:
            self.client.close()
        self.client = None
        self.outgoing = b""

    # The requests of a case.

    def answer(self, request):
        return getattr(self, "do_" + request.pop("do"))(**request)

    def do_facts(self):
        last = self.incarnations[-1] if self.incarnations else Incarnation()
        client = self.client
        numbers = {
            "unread": fixture.ioctl_int(client, termios.FIONREAD) if client else 0,
            "unsent": fixture.ioctl_int(client, SIOCOUTQ) + len(self.outgoing) if client else 0,
        }
        now = time.monotonic()
        for name, number in numbers.items():
            if number != self.seen_last[name]:
                self.seen_last[name] = number
                self.changed_at[name] = now
        return {
            "connections": len(self.incarnations), "received": len(last.data),
            "unread": numbers["unread"], "unread_stalled": now - self.changed_at["unread"],
            "unsent": numbers["unsent"], "unsent_stalled": now - self.changed_at["unsent"],
        }

    def do_data(self, connection):
        return base64.b64encode(self.incarnations[connection].data).decode()

    def do_stop(self):
        self.is_reading = False

    def do_go(self):
        self.is_reading = True

    def do_take(self, count):
        """Reads up to `count` bytes of the wire, though it has stopped."""
        self.take(count)

    def do_send(self, count):
        self.transmit(pattern(count).replace(b"\xff", b"\xff\xff"))

    def do_modem(self, on=0, off=0):
        """Lines of its port change, and the client hears of it."""
        self.set_modem(on, off)

    def do_finish(self):
        """Sends the end of its stream, and goes on reading what comes."""
        self.client.shutdown(socket.SHUT_WR)
        self.is_reading = True

    def do_turn_away(self, count):
        self.turns_away = count

    def do_close(self):
        self.drop_client()

    def do_reset(self):
        """Dies. The bytes that it read behind the last command that it answered are not on its line, and die too."""
        last = self.incarnations[-1]
        del last.data[last.confirmed:]
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.drop_client()
        self.is_reading = True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("control")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--receive-buffer", type=int)
    parser.add_argument("--nagle", action="store_true", help="no TCP_NODELAY")
    parser.add_argument("--split", action="store_true", help="each answer in two segments")
    parser.add_argument("--greet", action="store_true",
                        help="offer one option after the other, and answer nothing else before the client has answered")
    parser.add_argument("--turn-away", action="store_true", help="say that the port is in use, to every client")
    Server(parser.parse_args()).run()


if __name__ == "__main__":
    main()
