#!/usr/bin/python3
"""How far ahead of the line a port writes, and what follows from it, on a server whose line takes its time.

usage: window.py BINARY [--simulator BINARY] [--csv FILE] [--rates N,…] [--buffers N,…] [--round-trips MS,…]
                 [--servers NAME,…]

Runs as root where /dev/cuse is, so through Tests/Guest/run --timeout 900. BINARY serves the port, and the simulator
too, unless there is another one for that. Servers: honest; slow, whose line is 2 % slower than its rate; ignore-purge,
which answers PURGE-DATA and drops nothing; no-answers, which says nothing once the connection is up. Without an option,
the honest server has every rate, buffer and round trip; the others have some.

A program writes as fast as write(2) takes it. The simulator's log says when each byte left the line. Columns:

  rate       bytes on the line, in percent of what the line can send; from 100 ms and two round trips after the first
             one, when TCP has opened its window, to the end of writing
  ahead      most bytes that write(2) had taken and the line had not sent
  first      of those, the ones above the port's queue of 4096 bytes and the server's buffer
  settled    the same in the second half of writing; the first 64 KiB may go before the port knows its server
  tcflush    from tcflush(TCOFLUSH) in the middle of it to the last byte on the line, in ms
  stop       from the far end's stop character in the middle of it (IXON) to the last byte on the line, in ms
  tcdrain    its return after the last byte has left the line, in ms; less than 0: before

Each is followed by its limit; `*` marks one that is missed. Exit status: 0 all limits kept, 1 one is missed.
"""
import argparse
import contextlib
import csv
import math
import os
import select
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Clients"))
sys.dont_write_bytecode = True

import fixture  # noqa: E402
from paced_line import STOP, FarEnd, set_stop_character  # noqa: E402

RATES = (300, 9600, 115200, 921600, 4000000)
BUFFERS = (0, 4096, 20480, 65536)
ROUND_TRIPS = (0.2, 20, 150)
SERVERS = {
    "honest": (), "slow": (), "ignore-purge": ("--quirk", "ignore-purge"), "no-answers": ("--quirk", "no-answers"),
}
QUEUE = 4096
# Bytes that may be unanswered while it is not known whether the server's line takes its time.
UNKNOWN = 65536
# What the guest may take for a look at a clock, a wake-up and a thread's turn, in seconds.
SLACK = 0.02
LONGEST_WAIT = 20.0
# Cells that need little of the processor run at the same time; they start one after the other.
SLOW_RATE = 9600
starting = threading.Lock()
WIDTHS = (-12, 7, 6, 6, 7, 8, 8, 6, 8, 6, 8, 6, 8, 7, 8, 7, 0)


def in_columns(cells):
    return " ".join("{:{}{}}".format(cell, "<" if width <= 0 else ">", abs(width) or "")
                    for cell, width in zip(map(str, cells), WIDTHS))


class Writer:
    """A program that writes whenever it may, without a pause."""

    def __init__(self, descriptor):
        self.descriptor = descriptor
        os.set_blocking(descriptor, False)
        self.samples = []
        self.is_over = False
        self.thread = threading.Thread(target=self.write, daemon=True)
        self.thread.start()

    def write(self):
        data = bytes(range(64, 80)) * 256
        total = 0
        while not self.is_over:
            try:
                total += os.write(self.descriptor, data)
                self.samples.append((time.monotonic(), total))
            except BlockingIOError:
                fixture.events(self.descriptor, select.POLLOUT, 0.05)
            except OSError:
                return

    def stop(self):
        self.is_over = True
        self.thread.join()
        with contextlib.suppress(OSError):
            os.set_blocking(self.descriptor, True)


class Cell:
    """One server, rate, buffer and round trip."""

    def __init__(self, server, rate, buffer, round_trip):
        self.server, self.rate, self.buffer, self.round_trip = server, rate, buffer, round_trip
        self.trip = round_trip / 1000
        self.frame = 10 / rate / (0.98 if server == "slow" else 1)
        self.window = max(512, rate / 10 * (0.05 + self.trip))
        # A purge comes behind what the window holds, a stop behind nothing; but neither a stop nor a purge that is
        # ignored calls back what is in the server's buffer.
        in_window = self.window * self.frame + 2 * self.frame + self.trip + SLACK
        in_server = in_window + buffer * self.frame
        purges = server in ("honest", "slow", "no-answers")
        self.limits = {
            "rate": 98.0, "first": max(self.window, UNKNOWN), "settled": self.window,
            "flush": in_window if purges else in_server, "stop": in_server,
            "early": -0.005 - (0.02 * 0.3 if server == "slow" else 0), "late": self.trip + SLACK,
        }
        self.results = {}
        self.error = ""
        self.sessions = 0
        self.ports = self.servers = self.far_end = self.descriptor = None

    @property
    def name(self):
        return "{} {} {} {}".format(self.server, self.rate, self.buffer, self.round_trip)

    def measure(self, binary, simulator, directory, number):
        self.binary, self.simulator, self.directory, self.number = binary, simulator, directory, number
        try:
            with starting:
                self.start()
            self.throughput()
            if self.flush() is None:
                self.end()
                with starting:
                    self.start()
            self.drain()
            self.stop_by_far_end()
        except (OSError, fixture.Timeout, termios.error) as error:
            self.error = "{}: {}".format(type(error).__name__, error)
        finally:
            self.end()
        return self

    # A server, a port, and the program's descriptor.

    def start(self):
        self.sessions += 1
        directory = os.path.join(self.directory, "{}-{}".format(self.number, self.sessions))
        os.mkdir(directory)
        number = 2 * self.number + self.sessions
        self.servers = fixture.Test(self.simulator, directory, number, self.name)
        self.ports = fixture.Test(self.binary, directory, number, self.name)
        # Enough that the window of TCP is not what is measured.
        receive_buffer = max(65536, 4 * int(self.window))
        self.far_end = FarEnd(
            self.servers, self.rate, "--buffer", str(self.buffer), "--receive-buffer", str(receive_buffer),
            *SERVERS[self.server], percent=-2 if self.server == "slow" else 0)
        self.line = self.far_end.line
        self.port = self.ports.port(self.far_end.server, "-D", "2")
        self.descriptor = self.ports.open_raw(self.port, baud=getattr(termios, "B{}".format(self.rate)))
        self.far_end.open()
        self.quiet = max(0.25, 4 * self.frame, 2 * self.trip + 0.1)

    def end(self):
        # The port first: a program that is stuck in it then gets an error.
        for test in filter(None, (self.ports, self.servers)):
            for process in test.processes:
                if process.status is None:
                    process.popen.kill()
                process.wait()
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
        if self.far_end:
            self.far_end.close()

    # The measurements.

    def throughput(self):
        begin = time.monotonic()
        writer = Writer(self.descriptor)
        time.sleep({300: 6.0, 9600: 3.0}.get(self.rate, 1.5) + 2 * self.trip)
        end = time.monotonic()
        writer.stop()
        if not writer.samples or not self.line.update().count:
            raise fixture.Timeout("nothing was written, or nothing came")
        self.flush_begins = time.monotonic()
        termios.tcflush(self.descriptor, termios.TCOFLUSH)
        time.sleep(2 * self.frame)
        line = self.line.update()
        steady = line.reaches(1) + 0.1 + 2 * self.trip
        times = [when for when in line.times if steady <= when <= end]
        if len(times) > 1:
            sent = line.at(times[-1]) - line.at(times[0])
            self.results["rate"] = 100 * sent * self.frame / (times[-1] - times[0])
        middle = (begin + end) / 2
        ahead = max(total - line.at(when) for when, total in writer.samples)
        before = [total for when, total in writer.samples if when <= middle]
        settled = [(middle, before[-1] if before else 0)] + [one for one in writer.samples if one[0] > middle]
        self.results["ahead"] = ahead
        self.results["first"] = ahead - QUEUE - self.buffer
        self.results["settled"] = max(total - line.at(when) for when, total in settled) - QUEUE - self.buffer

    def wait_limit(self, limit):
        return min(self.limits[limit] + 1, LONGEST_WAIT)

    def flush(self):
        seconds = self.line.silence_after(self.flush_begins, self.quiet, self.wait_limit("flush"))
        self.results["flush"] = math.inf if seconds is None else seconds
        return seconds

    def drain(self):
        errors = []
        for _ in range(2):
            count = min(max(8, int(0.3 / self.frame)), 60000)
            before = self.line.update().count
            fixture.write_all(self.descriptor, b"d" * count)
            termios.tcdrain(self.descriptor)
            returned = time.monotonic()
            self.line.wait_for(before + count, LONGEST_WAIT)
            errors.append(returned - self.line.reaches(before + count))
        self.results["drain"] = max(errors, key=abs)

    def stop_by_far_end(self):
        set_stop_character(self.descriptor)
        writer = Writer(self.descriptor)
        time.sleep(0.7 + 2 * self.trip)
        begin = time.monotonic()
        self.far_end.send(STOP)
        seconds = self.line.silence_after(begin, self.quiet, self.wait_limit("stop"))
        self.results["stop"] = math.inf if seconds is None else seconds
        writer.stop()
        termios.tcflush(self.descriptor, termios.TCOFLUSH)

    # What came of it.

    def missed(self, key):
        """Is the limit missed? A measurement that is missing misses it."""
        value, limits = self.results.get(key), self.limits
        if value is None:
            return True
        if key == "rate":
            return value < limits["rate"]
        if key == "drain":
            return not limits["early"] <= value <= limits["late"]
        return value > limits[key]

    KEYS = ("rate", "first", "settled", "flush", "stop", "drain")

    @property
    def all_missed(self):
        return [key for key in self.KEYS if self.missed(key)]

    def row(self):
        def shown(key, scale=1000, digits=0):
            value = self.results.get(key)
            if value is None:
                return "-" + "*"
            if value == math.inf:
                text = ">{:.0f}".format(self.wait_limit(key) * scale)
            else:
                text = "{:.{}f}".format(value * scale, digits)
            return text + ("*" if self.missed(key) else "")

        limits = self.limits
        ahead = self.results.get("ahead")
        cells = [
            self.server, self.rate, self.buffer, self.round_trip, shown("rate", 1, 1), "-" if ahead is None else ahead,
            shown("first", 1), "{:.0f}".format(limits["first"]), shown("settled", 1),
            "{:.0f}".format(limits["settled"]),
            shown("flush"), "{:.0f}".format(limits["flush"] * 1000),
            shown("stop"), "{:.0f}".format(limits["stop"] * 1000),
            shown("drain", digits=1), "{:.0f}..{:.0f}".format(limits["early"] * 1000, limits["late"] * 1000),
            "MISSED" if self.all_missed else "ok",
        ]
        return in_columns(cells)

    HEADER = in_columns((
        "server", "baud", "buffer", "rtt ms", "rate %", "ahead", "first", "limit", "settled", "limit", "tcflush",
        "limit", "stop", "limit", "tcdrain", "limit", ""))

    def record(self):
        fields = {"server": self.server, "baud": self.rate, "buffer": self.buffer, "round_trip_ms": self.round_trip}
        for key in ("rate", "ahead", "first", "settled", "flush", "stop", "drain"):
            fields[key] = self.results.get(key, "")
        for key, value in self.limits.items():
            fields["limit_" + key] = value
        fields["missed"] = " ".join(self.all_missed)
        return fields


def chosen_cells(options):
    def numbers(text, otherwise):
        return [float(word) if "." in word else int(word) for word in text.split(",")] if text else otherwise

    rates = numbers(options.rates, RATES)
    buffers = numbers(options.buffers, BUFFERS)
    trips = numbers(options.round_trips, ROUND_TRIPS)
    servers = options.servers.split(",") if options.servers else SERVERS
    cells = [Cell(server, rate, buffer, trip)
             for trip in trips for server in servers for rate in rates for buffer in buffers]
    if options.rates or options.buffers or options.round_trips or options.servers:
        return cells
    # The other servers: with the buffer of a kernel driver, for the round trips and rates that matter.
    def is_chosen(cell):
        if cell.rate == 300 and cell.buffer > 4096:
            return False
        return cell.server == "honest" or cell.round_trip == 20 and (
            cell.buffer == 4096 or cell.rate == 115200 and cell.buffer in (0, 65536))

    return list(filter(is_chosen, cells))


def set_mtu(size):
    """An Ethernet's: with the loopback interface's own, TCP opens its window in steps of 64 KiB, and the line idles."""
    subprocess.run(["ip", "link", "set", "lo", "mtu", str(size)], check=True)


def set_round_trip(milliseconds):
    """Half of it on each way over the loopback interface, whose own is about 0.2 ms."""
    subprocess.run(["tc", "qdisc", "del", "dev", "lo", "root"], stderr=subprocess.DEVNULL)
    if milliseconds >= 1:
        subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay",
                        "{}ms".format(milliseconds / 2), "limit", "10000"], check=True)


def measure_all(cells, options, directory):
    subprocess.run(["modprobe", "sch_netem"], stderr=subprocess.DEVNULL)
    set_mtu(1500)
    binary = os.path.realpath(options.binary)
    simulator = os.path.realpath(options.simulator or options.binary)
    number = 0
    for trip in sorted(set(cell.round_trip for cell in cells)):
        set_round_trip(trip)
        here = [cell for cell in cells if cell.round_trip == trip]
        slow = [cell for cell in here if cell.rate <= SLOW_RATE]
        fast = [cell for cell in here if cell.rate > SLOW_RATE]
        batches = [slow] + [[cell] for cell in fast]
        for batch in filter(None, batches):
            threads = []
            for cell in batch:
                number += 1
                threads.append(threading.Thread(target=cell.measure, args=(binary, simulator, directory, number)))
                threads[-1].start()
            for cell, thread in zip(batch, threads):
                thread.join()
                print(cell.row(), flush=True)
                if cell.error:
                    print("# {}: {}".format(cell.name, cell.error), flush=True)
    set_round_trip(0)
    set_mtu(65536)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    parser.add_argument("binary")
    for name in ("--simulator", "--csv", "--rates", "--buffers", "--round-trips", "--servers"):
        parser.add_argument(name)
    options = parser.parse_args()
    cells = chosen_cells(options)
    # A simulator or port that ends early is an error of its cell, not the end of this program.
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    started = time.monotonic()
    print(Cell.HEADER, flush=True)
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        measure_all(cells, options, directory)
    missed = [cell for cell in cells if cell.all_missed]
    print("{} measurements in {:.0f} s, {} with every limit kept".format(
        len(cells), time.monotonic() - started, len(cells) - len(missed)))
    for key in Cell.KEYS:
        print("  {}: {} missed".format(key, sum(key in cell.all_missed for cell in cells)))
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            table = csv.DictWriter(file, fieldnames=list(cells[0].record()))
            table.writeheader()
            table.writerows(cell.record() for cell in cells)
    sys.exit(1 if missed else 0)


main()
