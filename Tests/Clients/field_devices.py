#!/usr/bin/python3
"""Devices of the field, played: each reads its line from standard input and answers on standard output.

usage: field_devices.py module | adapter | frames
"""
import os
import struct
import sys
import time


class Module:
    """An I/O module on a 38400 baud line. A request is `A,type,id[,value] CR LF`, where A is one character, the
    module's address or 126 for all; the answer is `adr,type,id:value#checksum CR LF`, numbers in hexadecimal, the
    checksum, in decimal, the sum of all characters before the # modulo 256. What it does not know it does not
    answer."""

    ADDRESS, BROADCAST = 0x20, 126
    SERIAL_NUMBER, NAME, FIRMWARE = 0x0123, "IO module", "2.1"

    def __init__(self):
        self.outputs = {number: 0 for number in range(16)}
        self.status = 1
        self.samples = 0
        self.pending = b""

    def receive(self, data):
        *lines, self.pending = (self.pending + data).split(b"\r\n")
        return b"".join(self.answer(line) for line in lines)

    def answer(self, line):
        fields = line.decode("latin-1").split(",")
        if len(fields) < 3 or len(fields[0]) != 1 or ord(fields[0]) not in (self.ADDRESS, self.BROADCAST):
            return b""
        kind, number = fields[1], fields[2]
        try:
            value = self.value(kind, int(number, 16), int(fields[3], 16) if len(fields) > 3 else None)
        except (ValueError, KeyError):
            return b""
        text = "{:02X},{},{}:{}".format(self.ADDRESS, kind, number, value)
        return "{}#{}\r\n".format(text, sum(text.encode()) % 256).encode()

    def value(self, kind, number, value):
        if kind == "o":
            if value is not None:
                self.outputs[number] = value & (0xFF if number == 0 else 0xFFFF)
            return "{:04X}".format(self.outputs[number])
        if kind == "i":
            # Digital inputs are wired to the outputs, analog ones rise from sample to sample.
            if number == 0:
                return "{:04X}".format(self.outputs[0])
            self.samples += 1
            return "{:04X}".format((self.samples * 7 + number) % 1024)
        if kind == "s" and number == 0 and value is not None:
            self.status &= ~value
        if kind == "s":
            return {0: "{:04X}".format(self.status), 1: "{:04X}".format(self.SERIAL_NUMBER), 2: self.NAME,
                    3: self.FIRMWARE, 7: "0808", 8: "020A", 9: "0108"}[number]
        raise KeyError(kind)


class Adapter:
    """A USB-CAN-GPIO adapter: commands are lines ended by LF. A getter prints `name = value`, others answer OK or what
    is wrong. A node on its bus answers every frame with the next identifier and the bytes inverted; what is received is
    printed as `<ms> #0xID 0x.. …`."""

    def __init__(self):
        self.pins = {"P{}{}".format(bank, number): ("IN", 0) for bank in "AB" for number in range(16)}
        self.wanted = {}
        self.speed = 100
        self.started = time.monotonic()
        self.pending = b""

    def receive(self, data):
        *lines, self.pending = (self.pending + data).split(b"\n")
        return b"".join(self.answer(line.decode("latin-1").strip()) for line in lines)

    def answer(self, line):
        name, equals, value = (part.strip() for part in line.partition("="))
        if name == "s" or name.startswith("s "):
            return self.send_frame(name.split()[1:])
        if name in self.pins:
            return self.pin(name, value if equals else None)
        if name == "reinit":
            self.pins.update(self.wanted)
            self.wanted.clear()
            return b"OK\n"
        if name == "canspeed":
            if not equals:
                return "canspeed = {}\n".format(self.speed).encode()
            if not value.isdigit():
                return b"BADPAR\n"
            if not 10 <= int(value) <= 1000:
                return b"BADVAL\n"
            self.speed = int(value)
            return b"OK\n"
        if name == "time":
            return "time = {}\n".format(self.milliseconds).encode()
        return b"BADCMD\n"

    @property
    def milliseconds(self):
        return int((time.monotonic() - self.started) * 1000)

    def pin(self, name, value):
        mode, level = self.pins[name]
        if value is None:
            return "{} = {}\n".format(name, level).encode()
        words = value.replace(",", " ").split()
        if words in (["0"], ["1"]):
            if mode != "OUT":
                return b"CANTRUN\n"
            self.pins[name] = (mode, int(words[0]))
            return b"OK\n"
        if not words or not set(words) <= {"IN", "OUT", "PU", "PD", "FL", "PP", "OD", "MONITOR"}:
            return b"BADPAR\n"
        self.wanted[name] = ("OUT" if "OUT" in words else "IN", 0)
        return b"OK\n"

    def send_frame(self, words):
        try:
            identifier, *data = (int(word, 0) for word in words)
        except ValueError:
            return b"BADPAR\n"
        if not 0 <= identifier < 0x7FF or len(data) > 8 or not all(0 <= byte < 256 for byte in data):
            return b"BADPAR\n"
        answer = ["{}".format(self.milliseconds), "#0x{:03X}".format(identifier + 1)]
        return (" ".join(answer + ["0x{:02X}".format(byte ^ 0xFF) for byte in data]) + "\n").encode()


class Frames:
    """CAN frames on a serial line: 0xAA, time (4 bytes), DLC, identifier (4 bytes), payload, 0xBB, little-endian. Each
    is answered by one with the identifier's lowest bit changed and the payload backwards."""

    def __init__(self):
        self.pending = b""

    def receive(self, data):
        self.pending += data
        answers = []
        offset = 0
        while True:
            frame, offset = decode_frame(self.pending, offset)
            if frame is None:
                break
            clock, identifier, payload = frame
            answers.append(encode_frame(clock, identifier ^ 1, payload[::-1]))
        self.pending = self.pending[offset:]
        return b"".join(answers)


HEAD = struct.Struct("<BIBI")


def encode_frame(clock, identifier, payload):
    return HEAD.pack(0xAA, clock, len(payload), identifier) + payload + b"\xbb"


def decode_frame(data, offset):
    """((time, identifier, payload), end offset); (None, offset to continue at) while no frame is complete."""
    while len(data) - offset >= HEAD.size:
        start, clock, count, identifier = HEAD.unpack_from(data, offset)
        if start != 0xAA or count > 8:
            offset += 1
            continue
        end = offset + HEAD.size + count
        if len(data) <= end:
            break
        if data[end] == 0xBB:
            return (clock, identifier, data[offset + HEAD.size:end]), end + 1
        offset += 1
    return None, offset


def main():
    device = {"module": Module, "adapter": Adapter, "frames": Frames}[sys.argv[1]]()
    while True:
        data = os.read(0, 65536)
        if not data:
            return
        answer = memoryview(device.receive(data))
        while answer:
            answer = answer[os.write(1, answer):]


if __name__ == "__main__":
    main()
