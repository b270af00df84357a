"""The far side of the port under test: everything it gets is recorded in order, everything it says is the test's.

`FarSide` is an RFC 2217 server, `PtyFarSide` the master of a pseudo-terminal.
"""
import collections
import os
import select
import socket
import threading
import time

SE, SB, WILL, WONT, DO, DONT, IAC = 240, 250, 251, 252, 253, 254, 255
BINARY, ECHO, SGA, COM_PORT = 0, 1, 3, 44
SET_BAUDRATE, SET_DATASIZE, SET_PARITY, SET_STOPSIZE, SET_CONTROL = 1, 2, 3, 4, 5
NOTIFY_LINESTATE, NOTIFY_MODEMSTATE, SUSPEND, RESUME = 6, 7, 8, 9
SET_LINESTATE_MASK, SET_MODEMSTATE_MASK, PURGE_DATA = 10, 11, 12
NAMES = {SET_BAUDRATE: "SET-BAUDRATE", SET_DATASIZE: "SET-DATASIZE", SET_PARITY: "SET-PARITY",
         SET_STOPSIZE: "SET-STOPSIZE", SET_CONTROL: "SET-CONTROL", SET_LINESTATE_MASK: "SET-LINESTATE-MASK",
         SET_MODEMSTATE_MASK: "SET-MODEMSTATE-MASK", PURGE_DATA: "PURGE-DATA"}
# SET-CONTROL
BREAK_ON, BREAK_OFF, DTR_ON, DTR_OFF, RTS_ON, RTS_OFF = 5, 6, 8, 9, 11, 12
FLOW, BREAK, DTR, RTS, INBOUND = (0, 1, 2, 3), (4, 5, 6), (7, 8, 9), (10, 11, 12), (13, 14, 15, 16)
# NOTIFY-MODEMSTATE and NOTIFY-LINESTATE
CD, RI, DSR, CTS = 128, 64, 32, 16
BREAK_DETECTED, FRAMING, PARITY, OVERRUN, DATA_READY = 16, 8, 4, 2, 1

Event = collections.namedtuple("Event", "time kind value segment")


class Recorder:
    """What a far side got, and how a test waits for more of it."""

    def __init__(self):
        self.changed = threading.Condition()
        self.events = []
        self.taken = 0
        self.start = 0

    def record(self, kind, value=None, segment=None):
        with self.changed:
            self.events.append(Event(time.monotonic(), kind, value, segment))
            self.changed.notify_all()

    def forget(self):
        """Forgets the bytes received before."""
        with self.changed:
            self.start = len(self.events)
            self.taken = 0

    @property
    def seen(self):
        with self.changed:
            return self.events[self.start:]

    @property
    def data(self):
        return b"".join(event.value for event in self.seen if event.kind == "data")

    def commands(self, *kinds):
        return [(event.kind, event.value) for event in self.seen
                if (event.kind in kinds if kinds else event.kind in NAMES.values())]

    def wait(self, condition, seconds=3.0):
        """Waits until the condition, asked after each event, holds. Does it?"""
        end = time.monotonic() + seconds
        while not condition():
            with self.changed:
                left = end - time.monotonic()
                if left <= 0:
                    return condition()
                self.changed.wait(min(left, 0.05))
        return True

    def take(self, count, seconds=3.0):
        """The next `count` bytes, or those of them that arrive in time."""
        self.wait(lambda: len(self.data) >= self.taken + count, seconds)
        data = self.data[self.taken:self.taken + count]
        self.taken += len(data)
        return data

    def take_rest(self, quiet=0.08):
        """Everything until nothing has come for a while."""
        seen = -1
        while len(self.data) != seen:
            seen = len(self.data)
            time.sleep(quiet)
        data = self.data[self.taken:]
        self.taken = seen
        return data

    def event(self, kind, value=None, seconds=3.0):
        """Waits for such an event; gives it, or None."""
        def find():
            return next((event for event in self.seen
                         if event.kind == kind and value in (None, event.value)), None)
        self.wait(find, seconds)
        return find()


class FarSide(Recorder):
    """An RFC 2217 server for one client at a time. A test tells it what to answer, and what its line does."""

    def __init__(self):
        super().__init__()
        self.lock = threading.RLock()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)
        self.address = "127.0.0.1:{}".format(self.listener.getsockname()[1])
        self.client = None
        self.segments = 0
        self.defaults()
        self.server = threading.Thread(target=self.serve, daemon=True)
        self.server.start()

    def defaults(self):
        self.modem = CD | DSR | CTS
        self.modem_mask = 255
        self.line_mask = 0
        self.settings = {SET_BAUDRATE: 9600, SET_DATASIZE: 8, SET_PARITY: 1, SET_STOPSIZE: 1}
        self.control = {FLOW: 1, BREAK: 6, DTR: 9, RTS: 12, INBOUND: 14}
        self.overrides = {}
        self.reading = threading.Event()
        self.reading.set()

    # What a test makes it do.

    def override(self, code, answer):
        """`answer(value)` gives the value to answer this command with, or None for no answer."""
        self.overrides[code] = answer

    def send(self, data):
        self.transmit(data.replace(b"\xff", b"\xff\xff"))

    def send_command(self, code, *value):
        self.transmit(self.encoded(code, bytes(value)))

    def set_modem(self, on=0, off=0):
        """Lines change, and the client hears of it."""
        with self.lock:
            before = self.modem
            self.modem = (before | on) & ~off
            changed = before ^ self.modem
            delta = (8 if changed & CD else 0) | (4 if changed & RI and not self.modem & RI else 0) \
                | (2 if changed & DSR else 0) | (1 if changed & CTS else 0)
            self.send_command(100 + NOTIFY_MODEMSTATE, self.modem | delta)

    def bad_byte(self, reason, byte=None):
        """A byte with a line error, or a break. Where the client asked to hear of it, there is a report, and behind it
        the byte if the report says so by its DATA_READY; where it did not ask, it gets what a serial port reads without
        marks: the byte, or a NUL for a break."""
        with self.lock:
            error = reason & ~DATA_READY
            if self.line_mask & error:
                self.send_command(100 + NOTIFY_LINESTATE, reason)
                if not reason & DATA_READY:
                    return
            elif error == BREAK_DETECTED:
                byte = 0
            if byte is not None:
                self.send(bytes([byte]))

    def suspend(self):
        self.send_command(100 + SUSPEND)

    def resume(self):
        self.reading.set()
        self.send_command(100 + RESUME)

    def stop_reading(self):
        self.reading.clear()

    @property
    def lines(self):
        """(DTR, RTS) as last commanded."""
        return (self.control[DTR] == DTR_ON, self.control[RTS] == RTS_ON)

    def drop(self):
        with self.lock:
            if self.client:
                try:
                    self.client.shutdown(socket.SHUT_RDWR)
                except OSError:  # it has gone itself
                    pass

    # The server.

    def transmit(self, data):
        with self.lock:
            if self.client is None:
                raise RuntimeError("no client is connected to the far side")
            self.client.sendall(data)

    @staticmethod
    def encoded(code, value):
        return bytes([IAC, SB, COM_PORT, code]) + value.replace(b"\xff", b"\xff\xff") + bytes([IAC, SE])

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.client = client
            self.record("connected")
            self.offered = set()
            self.line_mask = 0
            pending = b""
            try:
                while True:
                    self.reading.wait()
                    if not select.select([client], [], [], 0.2)[0]:
                        continue
                    if not self.reading.is_set():
                        continue
                    data = client.recv(65536)
                    if not data:
                        break
                    self.segments += 1
                    # What a test sends once it has seen an event comes behind the answers to it.
                    with self.lock:
                        pending = self.parse(pending + data, self.segments)
            except OSError:
                pass
            with self.lock:
                self.client = None
            client.close()
            self.record("disconnected")

    def parse(self, data, segment):
        """Takes what is complete; gives the rest."""
        answers = bytearray()
        plain = bytearray()
        offset = 0

        def flush():
            if plain:
                self.record("data", bytes(plain), segment)
                plain.clear()

        while offset < len(data):
            if data[offset] != IAC:
                end = data.find(b"\xff", offset)
                end = len(data) if end < 0 else end
                plain += data[offset:end]
                offset = end
                continue
            if len(data) - offset < 2:
                break
            kind = data[offset + 1]
            if kind == IAC:
                plain.append(IAC)
                offset += 2
            elif kind in (WILL, WONT, DO, DONT):
                if len(data) - offset < 3:
                    break
                self.negotiate(kind, data[offset + 2], answers)
                offset += 3
            elif kind == SB:
                end = self.end_of_suboption(data, offset + 2)
                if end is None:
                    break
                body = data[offset + 2:end].replace(b"\xff\xff", b"\xff")
                flush()
                if body[:1] == bytes([COM_PORT]) and len(body) > 1:
                    self.com_port(body[1], body[2:], answers, segment)
                offset = end + 2
            else:
                offset += 2
        flush()
        if answers:
            self.transmit(bytes(answers))
        return data[offset:]

    @staticmethod
    def end_of_suboption(data, start):
        offset = start
        while offset + 1 < len(data):
            if data[offset] == IAC:
                if data[offset + 1] == SE:
                    return offset
                offset += 2
            else:
                offset += 1
        return None

    def negotiate(self, kind, option, answers):
        reply = {WILL: (DO, DONT), DO: (WILL, WONT)}.get(kind)
        if reply is None or (kind, option) in self.offered:
            return
        self.offered.add((kind, option))
        answers += bytes([IAC, reply[0 if option in (BINARY, SGA, COM_PORT) else 1], option])

    def com_port(self, code, value, answers, segment):
        number = int.from_bytes(value, "big")
        self.record(NAMES.get(code, "command {}".format(code)), number, segment)
        answer = number
        if code in self.settings:
            if number:
                self.settings[code] = number
            answer = self.settings[code]
        elif code == SET_CONTROL:
            group = next((group for group in self.control if number in group), None)
            if group is None:
                answer = None
            elif number == group[0]:
                answer = self.control[group]
            else:
                self.control[group] = number
        elif code == SET_MODEMSTATE_MASK:
            self.modem_mask = number
        elif code == SET_LINESTATE_MASK:
            self.line_mask = number
        elif code != PURGE_DATA:
            return
        if code in self.overrides and (code != SET_BAUDRATE or number):
            answers_before = bytes(answers)
            if answers_before:  # what the override itself sends comes behind what was answered before
                self.transmit(answers_before)
                answers.clear()
            answer = self.overrides[code](number)
            if code in self.settings and answer is not None:
                self.settings[code] = answer
        if answer is None:
            return
        answers += self.encoded(100 + code, answer.to_bytes(4 if code == SET_BAUDRATE else 1, "big"))
        if code == SET_MODEMSTATE_MASK:
            answers += self.encoded(100 + NOTIFY_MODEMSTATE, bytes([self.modem]))

    # The same for all kinds.

    def settle(self, descriptor, seconds=3.0):
        """Waits until the port has dealt with everything sent before: its RI is as the notification behind it said."""
        import calls
        self.set_modem(**({"off": RI} if self.modem & RI else {"on": RI}))
        wanted = calls.RI if self.modem & RI else 0
        end = time.monotonic() + seconds
        while calls.get_int(descriptor, calls.TIOCMGET) & calls.RI != wanted:
            if time.monotonic() > end:
                raise TimeoutError("the port does not take what the far side sends")
            time.sleep(0.001)

    def release(self):
        """Nothing holds the port's output any more."""
        self.reading.set()
        with self.lock:
            if self.client:
                try:
                    self.resume()
                except OSError:
                    pass

    def close(self):
        """Ends its thread first: a closed listener's number may be another's at once."""
        self.reading.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.drop()
        self.server.join(2)
        self.listener.close()


class PtyFarSide(Recorder):
    """The master of a pseudo-terminal, whose slave is the port under test."""

    def __init__(self):
        super().__init__()
        self.master, keep = os.openpty()
        self.path = os.ttyname(keep)
        self.keep = keep
        self.reading = threading.Event()
        self.reading.set()
        self.closed = False
        os.set_blocking(self.master, False)
        threading.Thread(target=self.collect, daemon=True).start()

    def opened(self):
        """The test has the port open itself."""
        if self.keep is not None:
            os.close(self.keep)
            self.keep = None

    def collect(self):
        while not self.closed:
            self.reading.wait()
            try:
                data = os.read(self.master, 65536)
                self.record("data", data)
            except BlockingIOError:
                select.select([self.master], [], [], 0.05)
            except OSError:
                if self.closed:
                    return
                time.sleep(0.005)

    def send(self, data):
        while data:
            try:
                data = data[os.write(self.master, data):]
            except BlockingIOError:
                time.sleep(0.005)

    def suspend(self):
        self.reading.clear()
        # A read that waits already may still come.
        time.sleep(0.06)

    stop_reading = suspend

    def resume(self):
        self.reading.set()

    release = resume

    def settle(self, _descriptor):
        time.sleep(0.03)

    def close(self):
        self.closed = True
        self.reading.set()
        self.opened()
        os.close(self.master)
