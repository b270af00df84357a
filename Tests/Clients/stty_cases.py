"""stty: it reads back every flag after setting it, and complains of any difference."""
import re
import time

from fixture import case


def settings(t, path):
    """`stty -a` as a list of words: a value behind `=` is part of its name's word."""
    status, output = t.run("stty", "-F", path, "-a")
    if status != 0:
        return ["status {}".format(status), output]
    text = re.sub(r" = ", "=", output.replace(";", " "))
    return re.sub(r"\b(speed|rows|columns) (\d+)", r"\1=\2", text).split()


# The settings, and the words that `stty -a` must contain afterwards.
SETTINGS = [
    ("raw -echo", "-icanon -isig -opost -echo -icrnl -ixon min=1 time=0"),
    ("115200", "speed=115200"),
    ("300", "speed=300"),
    ("4000000", "speed=4000000"),
    ("cs7 parenb", "cs7 parenb -parodd"),
    ("cs7 parenb parodd", "cs7 parenb parodd"),
    ("cs8 -parenb -parodd", "cs8 -parenb -parodd"),
    ("cs5 cstopb", "cs5 cstopb"),
    ("cs8 -cstopb", "cs8 -cstopb"),
    ("parenb cmspar parodd", "parenb cmspar parodd"),
    ("-parenb -cmspar -parodd", "-parenb -cmspar -parodd"),
    ("crtscts", "crtscts"),
    ("-crtscts", "-crtscts"),
    ("ixon ixoff ixany", "ixon ixoff ixany"),
    ("-ixon -ixoff -ixany", "-ixon -ixoff -ixany"),
    ("-clocal -hupcl", "-clocal -hupcl"),
    ("clocal hupcl", "clocal hupcl"),
    ("sane", "icanon isig opost echo icrnl"),
    ("min 0 time 5 -icanon", "min=0 time=5 -icanon"),
    ("min 255 time 255", "min=255 time=255"),
    ("intr ^A erase ^H eof undef", "intr=^A erase=^H eof=<undef>"),
    ("rows 24 columns 80", "rows=24 columns=80"),
    ("istrip parmrk inpck ignpar brkint", "istrip parmrk inpck ignpar brkint"),
    ("-istrip -parmrk -inpck -ignpar -brkint", "-istrip -parmrk -inpck -ignpar -brkint"),
    ("olcuc ocrnl onocr onlret tab3", "olcuc ocrnl onocr onlret tab3"),
    ("echoprt -echoke noflsh tostop iutf8", "echoprt -echoke noflsh tostop iutf8"),
    ("ispeed 9600 ospeed 9600", "speed=9600"),
    ("-cread", "-cread"),
    ("cread", "cread"),
]


@case(90)
def stty_sets_and_reads_back(t):
    path = t.port(t.simulator()).path
    words = settings(t, path)
    fresh = "speed=9600 cs8 cread clocal hupcl -crtscts icrnl ixon opost onlcr isig icanon iexten echo echoe echok " \
        "echoctl echoke intr=^C eof=^D min=1 time=0 line=0 rows=0 columns=0 -ixoff -parenb -cstopb"
    missing = [word for word in fresh.split() if word not in words]
    t.check("a fresh port has the kernel's defaults", not missing, missing)
    started = time.monotonic()
    for change, expected in SETTINGS:
        status, output = t.run("stty", "-F", path, *change.split())
        t.check("stty " + change, status == 0 and output == "", "status {} {}".format(status, output))
        words = settings(t, path)
        missing = [word for word in expected.split() if word not in words]
        t.check("stty -a after " + change, not missing, "no {} in {}".format(missing, words))
    t.took("stty: {} settings set and read back".format(len(SETTINGS)), time.monotonic() - started, 0, 60)


@case(60)
def stty_saves_and_restores(t):
    path = t.port(t.simulator()).path
    for change in ("sane", "raw -echo 115200", "cs7 parenb cstopb crtscts ixoff 2400"):
        t.run("stty", "-F", path, *change.split())
        _, saved = t.run("stty", "-F", path, "-g")
        before = settings(t, path)
        # The speed stays: stty compares it in fields that its -g does not hold, and complains on any tty.
        t.run("stty", "-F", path, "sane", "cs8", "-parenb")
        status, output = t.run("stty", "-F", path, saved.strip())
        t.check("stty -g restores " + change, status == 0 and settings(t, path) == before,
                "{} {}; {} and {}".format(status, output, before, settings(t, path)))


@case(60)
def stty_of_a_server_that_differs(t):
    """A rate the server cannot do reads back as what it does: stty says so, and nothing hangs."""
    path = t.port(t.simulator("--quirk", "different-baud")).path
    t.run("stty", "-F", path, "9600")
    t.run("stty", "-F", path, "230400")
    words = settings(t, path)
    t.check("the server's rate reads back", "speed=115200" in words, words[:3])
    t.run("stty", "-F", path, "19200")
    t.check("a rate it has reads back", "speed=19200" in settings(t, path))


@case(60)
def stty_needs_no_server_once_set(t):
    """Settings are the port's: what one program sets, the next finds."""
    path = t.port(t.simulator(), "--linger", "1").path
    t.run("stty", "-F", path, "raw", "-echo", "57600", "cs7", "parenb")
    before = settings(t, path)
    t.check("settings outlive the close", settings(t, path) == before and "speed=57600" in before, before)
