#!/usr/bin/python3
"""A GPS receiver on a serial line: NMEA 0183 sentences five times a second, always from the same place."""
import sys
import time

LATITUDE, LONGITUDE, ALTITUDE, SATELLITES = 52.51627, 13.37770, 34.5, 9


def sentence(text):
    checksum = 0
    for byte in text.encode():
        checksum ^= byte
    return "${}*{:02X}\r\n".format(text, checksum)


def degrees(value, width, hemispheres):
    whole = int(abs(value))
    return "{:0{}d}{:08.5f},{}".format(whole, width, (abs(value) - whole) * 60, hemispheres[value < 0])


def epoch(now):
    """What one fix is told in."""
    utc = time.gmtime(now)
    clock = time.strftime("%H%M%S", utc) + ".{:02d}".format(int(now % 1 * 100))
    place = degrees(LATITUDE, 2, "NS") + "," + degrees(LONGITUDE, 3, "EW")
    return "".join(sentence(text) for text in (
        "GPRMC,{},A,{},0.00,0.0,{},,,A".format(clock, place, time.strftime("%d%m%y", utc)),
        "GPGGA,{},{},1,{:02d},0.9,{},M,44.9,M,,".format(clock, place, SATELLITES, ALTITUDE),
        "GPGSA,A,3,02,05,07,09,12,15,21,25,29,,,,1.7,0.9,1.4",
        "GPGSV,1,1,04,02,45,120,42,05,60,210,44,07,30,300,39,09,20,050,37"))


if __name__ == "__main__":
    due = time.time()
    while True:
        due += 0.2
        time.sleep(max(due - time.time(), 0))
        sys.stdout.write(epoch(round(due, 1)))
        sys.stdout.flush()
