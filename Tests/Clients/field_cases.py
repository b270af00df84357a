"""Devices of the field: what their users' scripts do, 10,000 times, and nothing is lost."""
import os
import random
import re
import select
import termios
import time

import serial

from field_devices import Module, decode_frame, encode_frame
from fixture import case, set_speed, termios2

EXCHANGES = 10000
DEVICES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "field_devices.py")


def port_of(t, device):
    return t.port(t.simulator(wirings=("exec:exec /usr/bin/python3 {} {}".format(DEVICES, device),))).path


def figure(t, what, count, seconds):
    t.note("{}: {} exchanges, {:.0f} a second".format(what, count, count / seconds))


class Lines:
    """Whole lines from pyserial, as many bytes at a time as there are."""

    def __init__(self, port):
        self.port = port
        self.pending = b""

    def next(self):
        while b"\n" not in self.pending:
            data = self.port.read(self.port.in_waiting or 1)
            if not data:
                raise TimeoutError("no line within {} s; {!r} is there".format(self.port.timeout, self.pending))
            self.pending += data
        line, self.pending = self.pending.split(b"\n", 1)
        return line + b"\n"


def request(kind, number, value=None):
    text = "{},{},{:X}".format(chr(Module.BROADCAST), kind, number)
    return (text if value is None else "{},{:X}".format(text, value)).encode() + b"\r\n"


def parsed(line):
    """(type, id, value) of a module's answer whose checksum is right."""
    match = re.fullmatch(rb"(([0-9A-F]{2}),([a-z]),([0-9A-F]):([^#]*))#(\d+)\r\n", line)
    if match is None or sum(match.group(1)) % 256 != int(match.group(6)) or int(match.group(2), 16) != Module.ADDRESS:
        raise ValueError("no answer of the module: {!r}".format(line))
    return match.group(3).decode(), int(match.group(4), 16), match.group(5).decode()


@case(120)
def field_module(t):
    """`adr,type,id:value#checksum` lines at 38400 baud: a request, its answer, the next request."""
    path = port_of(t, "module")
    chance = random.Random(1)
    with serial.Serial(path, 38400, timeout=5) as port:
        lines = Lines(port)
        port.write(request("o", 0, 0xF))
        t.equal("outputs set", lines.next(), b"20,o,0:000F#105\r\n")
        t.equal("the line's rate", termios2(port.fd)[7], 38400)
        outputs = {0: 0xF}
        samples = 0
        wrong = []
        started = time.monotonic()
        for _ in range(EXCHANGES):
            kind, number = chance.choice("ooiis"), chance.randrange(10)
            value = chance.randrange(256) if kind == "o" and chance.random() < 0.5 else None
            if kind == "s":
                number = number % 3 + 1
                expected = {1: "{:04X}".format(Module.SERIAL_NUMBER), 2: Module.NAME, 3: Module.FIRMWARE}[number]
            elif kind == "i" and number > 0:
                samples += 1
                expected = "{:04X}".format((samples * 7 + number) % 1024)
            else:
                number = number if kind == "o" else 0
                if value is not None:
                    outputs[number] = value
                expected = "{:04X}".format(outputs.get(number, 0))
            port.write(request(kind, number, value))
            answer = parsed(lines.next())
            if answer != (kind, number, expected):
                wrong.append((answer, (kind, number, expected)))
        seconds = time.monotonic() - started
        t.equal("answers that are wrong", wrong, [])
        t.equal("nothing is left over", (port.in_waiting, lines.pending), (0, b""))
        figure(t, "module, 38400 baud", EXCHANGES, seconds)
        port.timeout = 0.3
        port.write(b"\x30,o,0\r\nnonsense\r\n")
        t.equal("another's address, and nonsense: no answer", port.read(1), b"")
        # Played, the module is faster than 38400 baud; closing need not wait for the line to be through.
        port.reset_output_buffer()


# Requests to the adapter, repeated, and the answers.
def adapter_requests(chance):
    while True:
        level = chance.randrange(2)
        yield "PA0 = {}".format(level), "OK"
        yield "PA0", "PA0 = {}".format(level)
        yield "reinit", "OK"
        speed = chance.choice((100, 125, 250, 500, 1000))
        yield "canspeed={}".format(speed), "OK"
        yield "canspeed", "canspeed = {}".format(speed)
        yield "PB1 = WRONG", "BADPAR"
        yield "nonsense", "BADCMD"
        for _ in range(5):
            identifier = chance.randrange(0x7FE)
            data = [chance.randrange(256) for _ in range(chance.randrange(9))]
            yield (" ".join(["s", "0x{:03X}".format(identifier)] + ["0x{:02X}".format(byte) for byte in data]),
                   " ".join(["#0x{:03X}".format(identifier + 1)] + ["0x{:02X}".format(byte ^ 0xFF) for byte in data]))


@case(150)
def field_adapter(t):
    """The adapter's text commands, several under way, its lines read in canonical mode, at any rate."""
    port = t.open(port_of(t, "adapter"))
    attributes = termios.tcgetattr(port)
    attributes[0], attributes[1] = termios.IGNPAR, 0
    attributes[2] = termios.CS8 | termios.CREAD | termios.CLOCAL | termios.HUPCL
    attributes[3] = termios.ICANON
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    requests = adapter_requests(random.Random(2))
    os.write(port, b"PA0 = OUT PP\nreinit\n")
    t.equal("the pin is set up", (os.read(port, 100), os.read(port, 100)), (b"OK\n", b"OK\n"))
    rates = (9600, 115200, 250000, 921600, 3000000)
    count = EXCHANGES // len(rates)
    clock = -1
    for rate in rates:
        set_speed(port, rate)
        waiting = []
        wrong = []
        sent = answered = 0
        started = time.monotonic()
        while answered < count:
            commands = []
            while sent < count and len(waiting) < 16:
                command, expected = next(requests)
                commands.append(command)
                waiting.append(expected)
                sent += 1
            if commands:
                os.write(port, "".join(command + "\n" for command in commands).encode())
            if not select.select([port], [], [], 5)[0]:
                wrong.append("no line within 5 s")
                break
            line = os.read(port, 200).decode()
            expected = waiting.pop(0)
            answered += 1
            if expected.startswith("#"):
                match = re.fullmatch(r"(\d+) (#.*)\n", line)
                if match is None or match.group(2) != expected or int(match.group(1)) < clock:
                    wrong.append((line, expected))
                else:
                    clock = int(match.group(1))
            elif line != expected + "\n":
                wrong.append((line, expected))
        seconds = time.monotonic() - started
        t.equal("lines that are wrong at {} baud".format(rate), wrong[:3], [])
        t.equal("the rate", termios2(port)[7], rate)
        figure(t, "adapter, {} baud".format(rate), answered, seconds)
    t.equal("nothing is left over", select.select([port], [], [], 0.1)[0], [])
    os.close(port)


@case(120)
def field_can_frames(t):
    """CAN frames as bytes, up to 32 of them under way."""
    path = port_of(t, "frames")
    chance = random.Random(3)
    with serial.Serial(path, 115200, timeout=5) as port:
        waiting = []
        wrong = []
        pending = b""
        sent = answered = 0
        started = time.monotonic()
        while answered < EXCHANGES and len(wrong) < 3:
            output = b""
            while sent < EXCHANGES and len(waiting) < 32:
                identifier, payload = chance.randrange(1 << 29), chance.randbytes(chance.randrange(9))
                output += encode_frame(sent, identifier, payload)
                waiting.append((sent, identifier ^ 1, payload[::-1]))
                sent += 1
            if output:
                port.write(output)
            data = port.read(port.in_waiting or 1)
            if not data:
                wrong.append("nothing within 5 s")
                break
            pending += data
            offset = 0
            while True:
                start = offset
                frame, offset = decode_frame(pending, offset)
                if frame is None:
                    break
                if start != offset - 11 - len(frame[2]):
                    wrong.append("bytes between frames: {!r}".format(pending[start:offset]))
                expected = waiting.pop(0)
                answered += 1
                if frame != expected:
                    wrong.append((frame, expected))
            pending = pending[offset:]
        seconds = time.monotonic() - started
        t.equal("frames that are wrong", wrong[:3], [])
        t.equal("frames", (sent, answered, pending, port.in_waiting), (EXCHANGES, EXCHANGES, b"", 0))
        figure(t, "frames, 115200 baud", answered, seconds)
