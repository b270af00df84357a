"""A simulator whose line takes its time, and whose far end a test plays.

The simulator's `--line-log` says when each byte left the line.
"""
import bisect
import math
import os
import termios
import time

from fixture import wait_until

# Reads what leaves the line, and puts on the line what comes through a pipe.
FAR_END = "exec 3<&0; cat <&3 >/dev/null & exec cat {}"
STOP, START = b"\x01", b"\x02"


class Line:
    """The bytes that have left the line, by the simulator's log."""

    def __init__(self, path, frame):
        self.path = path
        self.frame = frame
        self.offset = 0
        self.rest = b""
        self.times = [0.0]
        self.counts = [0]

    def update(self):
        with open(self.path, "rb") as log:
            log.seek(self.offset)
            text = log.read()
        self.offset += len(text)
        *lines, self.rest = (self.rest + text).split(b"\n")
        for line in lines:
            _, when, count = line.split()
            self.times.append(int(when) / 1e9)
            self.counts.append(int(count))
        return self

    @property
    def last(self):
        return self.times[-1]

    @property
    def count(self):
        return self.counts[-1]

    def at(self, when):
        """Bytes that had left by then."""
        index = bisect.bisect_right(self.times, when)
        if index == len(self.times):
            return self.count
        later = math.ceil((self.times[index] - when) / self.frame)
        return max(self.counts[index] - later, self.counts[index - 1])

    def reaches(self, count):
        """The time at which `count` bytes had left."""
        index = bisect.bisect_left(self.counts, count)
        return self.times[index] - (self.counts[index] - count) * self.frame

    def wait_for(self, count, seconds):
        wait_until(lambda: self.update().count >= count, seconds, "byte {} on the line".format(count))

    def silence_after(self, start, quiet, limit):
        """Seconds from `start` to the last byte; None if bytes still leave after `limit`."""
        while True:
            self.update()
            now = time.monotonic()
            if now - max(self.last, start) > quiet:
                return max(self.last - start, 0.0)
            if now - start > limit:
                return None
            time.sleep(0.01)


class FarEnd:
    """A paced server, its line, and the client at the line's other end."""

    def __init__(self, test, baud, *options, percent=0):
        test.names += 1
        self.pipe_path = os.path.join(test.directory, "far-end{}".format(test.names))
        os.mkfifo(self.pipe_path)
        log = os.path.join(test.directory, "line{}".format(test.names))
        if percent:
            options += ("--rate-error", str(percent))
        self.server = test.simulator(
            "--pace", "--line-log", log, *options, wirings=("exec:" + FAR_END.format(self.pipe_path),))
        self.line = Line(log, 10 / baud / (1 + percent / 100))
        self.pipe = None

    def open(self):
        """To be called once a program has the port open: the far end comes with the first client."""
        self.pipe = os.open(self.pipe_path, os.O_WRONLY)

    def send(self, data):
        os.write(self.pipe, data)

    def close(self):
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None


def set_stop_character(descriptor):
    """IXON with STOP and START, which no server obeys in the port's place, as it does with ^S and ^Q."""
    attributes = termios.tcgetattr(descriptor)
    attributes[0] |= termios.IXON
    attributes[6][termios.VSTOP], attributes[6][termios.VSTART] = STOP, START
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
