#!/usr/bin/python3
"""Draws what bench.sh has measured: the distribution of round trips, and memory against the number of ports.

usage: draw.py BENCH.CSV >docs/performance.svg

Points are medians over the rounds; the bands reach from the first to the third quartile.
"""
import csv
import math
import sys

# Program in the CSV: its label and its colour. Blue, orange, green and grey are told apart by all eyes.
PROGRAMS = {
    "reference": ("C reference", "#6b7280"),
    "candidate": ("ttynvt-swift", "#0b62c4"),
    "socat": ("socat (pty)", "#c2570c"),
    "gensiot": ("gensiot (pty)", "#15803d"),
}
WIDTH, HEIGHT = 860, 400
FONT = 'font-family="sans-serif" font-size="12"'


class Panel:
    """One diagram: a frame, two scales and their lines."""

    def __init__(self, left, title, x_label, y_label, width=290):
        self.left, self.top, self.width, self.height = left, 56, width, 270
        self.title, self.x_label, self.y_label = title, x_label, y_label
        self.parts = []
        self.labels = []

    def scale(self, x, y, x_ticks, y_ticks):
        """x and y give a value's place as a share of the panel's side."""
        self.x, self.y = x, y
        for value, text in x_ticks:
            at = self.across(value)
            self.parts.append('<path d="M{0:.1f} {1}v{2}" stroke="#e5e7eb"/>'.format(at, self.top, self.height))
            self.text(at, self.top + self.height + 18, text, "middle")
        for value, text in y_ticks:
            at = self.down(value)
            self.parts.append('<path d="M{0} {1:.1f}h{2}" stroke="#e5e7eb"/>'.format(self.left, at, self.width))
            self.text(self.left - 6, at + 4, text, "end")
        self.parts.append('<path d="M{0} {1}v{2}h{3}" fill="none" stroke="#9ca3af"/>'.format(
            self.left, self.top, self.height, self.width))
        self.text(self.left - 40, self.top - 28, self.title, "start", 'font-weight="bold"')
        self.text(self.left - 40, self.top - 10, self.y_label, "start")
        self.text(self.left + self.width / 2, self.top + self.height + 38, self.x_label, "middle")

    def across(self, value):
        return self.left + self.width * self.x(value)

    def down(self, value):
        return self.top + self.height * (1 - self.y(value))

    def text(self, x, y, text, anchor, more=""):
        self.parts.append('<text x="{:.1f}" y="{:.1f}" text-anchor="{}" {} fill="#374151" {}>{}</text>'.format(
            x, y, anchor, FONT, more, text))

    def line(self, points, label, colour):
        """points: (x, median, first quartile, third quartile)."""
        def path(pairs):
            return "M" + "L".join("{:.1f} {:.1f}".format(self.across(x), self.down(y)) for x, y in pairs)
        band = [(x, low) for x, _, low, _ in points] + [(x, high) for x, _, _, high in reversed(points)]
        self.parts.append('<path d="{}Z" fill="{}" fill-opacity="0.15"/>'.format(path(band), colour))
        self.parts.append('<path d="{}" fill="none" stroke="{}" stroke-width="2"/>'.format(
            path([(x, y) for x, y, _, _ in points]), colour))
        self.labels.append([self.down(points[-1][1]) + 4, label, colour])

    def drawn(self):
        # Labels stand at the lines' ends, and not upon each other.
        bottom = None
        for label in sorted(self.labels):
            if bottom is not None and label[0] < bottom + 15:
                label[0] = bottom + 15
            bottom = label[0]
            self.parts.append('<text x="{}" y="{:.1f}" {} fill="{}">{}</text>'.format(
                self.left + self.width + 6, label[0], FONT, label[2], label[1]))
        return self.parts


def nice_ticks(highest):
    """0 and up to six round numbers, the last of which is not below the highest value."""
    step = 10 ** math.floor(math.log10(highest))
    step = next(step * factor for factor in (0.2, 0.5, 1, 2, 5) if step * factor * 6 >= highest)
    return [step * number for number in range(math.ceil(highest / step) + 1)]


def latency(table):
    percents = [1, 5, 10, 25, 50, 75, 90, 95, 99]
    lines = {program: [(percent,) + table["rtt1_p{}_us".format(percent), program] for percent in percents]
             for program in PROGRAMS if ("rtt1_p50_us", program) in table}
    low = min(points[0][2] for points in lines.values())
    high = max(max(point[3] for point in points) for points in lines.values())
    ticks = [digit * 10 ** power for power in range(7) for digit in (1, 2, 5)]
    first = max(tick for tick in ticks if tick <= low)
    last = min(tick for tick in ticks if tick >= high)
    panel = Panel(64, "One byte there and back", "percentile of all round trips", "µs, logarithmic")
    panel.scale(
        lambda percent: percent / 100, lambda us: math.log(us / first) / math.log(last / first),
        [(percent, str(percent)) for percent in (1, 25, 50, 75, 99)],
        [(tick, str(tick)) for tick in ticks if first <= tick <= last])
    for program, points in lines.items():
        panel.line(points, *PROGRAMS[program])
    return panel


def memory(table):
    lines = {}
    for (measurement, program), values in table.items():
        if measurement.startswith("ports_"):
            megabytes = tuple(value / 1000 for value in values)
            lines.setdefault(program, []).append((int(measurement.split("_")[1]),) + megabytes)
    most = max(point[0] for points in lines.values() for point in points)
    ticks = nice_ticks(max(point[1] for points in lines.values() for point in points))
    panel = Panel(500, "Memory of all ports", "ports, each a process", "PSS, MB", width=250)
    panel.scale(
        lambda ports: ports / most, lambda megabytes: megabytes / ticks[-1],
        [(number, "{:g}".format(number)) for number in nice_ticks(most) if number <= most],
        [(tick, "{:g}".format(tick)) for tick in ticks])
    for program, points in lines.items():
        panel.line(sorted(points), *PROGRAMS[program])
    return panel


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], newline="") as file:
        table = {
            (row["measurement"], row["program"]): tuple(
                float(row[column]) for column in ("median", "quartile1", "quartile3"))
            for row in csv.DictReader(file)}
    print('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}">'.format(
        WIDTH, HEIGHT))
    print('<rect width="{}" height="{}" fill="#ffffff"/>'.format(WIDTH, HEIGHT))
    for panel in (latency(table), memory(table)):
        print("\n".join(panel.drawn()))
    print('<text x="24" y="{}" {} fill="#6b7280">All in one boot of the test guest: ratios count, not figures. '
          'A pty is no serial port: it has no modem lines and no break.</text>'.format(HEIGHT - 8, FONT))
    print("</svg>")


main()
