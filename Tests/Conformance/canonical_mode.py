"""F.4: lines, editing, echo, and what a change of mode makes of pending bytes."""
import errno
import select

import calls
from calls import ECHO, ECHOCTL, ECHOE, ECHOK, ECHOKE, ECHONL, ECHOPRT, ICANON, IEXTEN, IUTF8, VEOL, VEOL2, fionread
from harness import conformance

POLLIN = select.POLLIN
DEL = b"\x7f"
EAGAIN = errno.EAGAIN


@conformance(61, "`hello NL wor`: FIONREAD 6, read of 3 `hel`, then `lo NL`, then FIONREAD 0")
def line(t):
    port = t.canonical()
    t.comes(port, b"hello\nwor")
    t.equal("FIONREAD", fionread(port), 6)
    t.reads("read of 3", port, b"hel", 3)
    t.reads("the rest of the line", port, b"lo\n")
    t.equal("FIONREAD", fionread(port), 0)
    t.reads("no line", port, EAGAIN)


@conformance(62, "`wor`, `ld ^D`: FIONREAD 5, read `world`")
def end_of_file_ends_a_line(t):
    port = t.canonical()
    t.comes(port, b"hello\nwor")
    t.reads("first line", port, b"hello\n")
    t.comes(port, b"ld\x04")
    t.equal("FIONREAD", fionread(port), 5)
    t.reads("read", port, b"world")


@conformance(63, "^D alone: poll ready, FIONREAD 0, read 0, then not ready")
def end_of_file(t):
    port = t.canonical()
    t.comes(port, b"\x04")
    t.equal("poll", calls.poll(port, POLLIN), POLLIN)
    t.equal("FIONREAD", fionread(port), 0)
    t.reads("read", port, b"")
    t.equal("poll after it", calls.poll(port, POLLIN), 0)


@conformance(64, "`abc ^D`, read of 3: `abc`, and ^D is used up")
def end_of_file_behind_a_full_read(t):
    port = t.canonical()
    t.comes(port, b"abc\x04")
    t.reads("read of 3", port, b"abc", 3)
    t.reads("the next", port, EAGAIN)


@conformance(65, "three lines: one for each read")
def one_line_a_read(t):
    port = t.canonical()
    t.comes(port, b"l1\nl2\nl3\n")
    for expected in (b"l1\n", b"l2\n", b"l3\n", EAGAIN):
        t.reads("read of 100", port, expected, 100)


@conformance(66, "a NUL in a line is data")
def nul(t):
    port = t.canonical(IEXTEN)
    t.comes(port, b"a\0b\n")
    t.reads("read", port, b"a\0b\n")


@conformance(67, "`a ^V ^D b NL`: ^D is data")
def literal_next(t):
    port = t.canonical(IEXTEN)
    t.comes(port, b"a\x16\x04b\n")
    t.reads("read", port, b"a\x04b\n")


@conformance(68, "`abc def ^W gh DEL NL`: `abc g NL`")
def word_and_character_erase(t):
    port = t.canonical(IEXTEN)
    t.comes(port, b"abc def\x17gh\x7f\n")
    t.reads("read", port, b"abc g\n")


@conformance(69, "`abc ^U x NL`: `x NL`")
def kill(t):
    port = t.canonical()
    t.comes(port, b"abc\x15x\n")
    t.reads("read", port, b"x\n")


@conformance(70, "VEOL ends a line; VEOL2 does with IEXTEN alone")
def other_line_ends(t):
    port = t.canonical(cc={VEOL: ord(";")})
    t.comes(port, b"ab;cd\n")
    t.reads("VEOL, first", port, b"ab;")
    t.reads("VEOL, second", port, b"cd\n")
    t.set(port, lflag=ICANON | IEXTEN, cc={VEOL2: ord(";")})
    t.comes(port, b"ab;cd\n")
    t.reads("VEOL2 with IEXTEN, first", port, b"ab;")
    t.reads("VEOL2 with IEXTEN, second", port, b"cd\n")
    t.set(port, lflag=ICANON, cc={VEOL2: ord(";")})
    t.comes(port, b"ab;cd\n")
    t.reads("VEOL2 without IEXTEN", port, b"ab;cd\n")


@conformance(71, "5000 `a`, `X`, NL: one line of 4096 bytes, its end `a NL`")
def long_line(t):
    port = t.canonical()
    t.comes(port, b"a" * 5000 + b"X\n")
    t.until("a line", lambda: fionread(port))
    t.equal("FIONREAD", fionread(port), 4096)
    t.reads("read", port, b"a" * 4095 + b"\n")
    t.reads("no more", port, EAGAIN)


def to_canonical(t, port):
    t.set(port, lflag=ICANON)


@conformance(72, "`abc` pending in raw mode, then ICANON: readable as one read")
def pending_to_canonical(t):
    port = t.raw()
    t.arrives(port, b"abc")
    to_canonical(t, port)
    t.equal("poll", calls.poll(port, POLLIN), POLLIN)
    t.reads("read", port, b"abc")
    t.reads("no more", port, EAGAIN)


@conformance(73, "`a NL b NL c` pending in raw mode, then ICANON: one read of all 5")
def pending_lines_to_canonical(t):
    port = t.raw()
    t.arrives(port, b"a\nb\nc")
    to_canonical(t, port)
    t.reads("read", port, b"a\nb\nc")


@conformance(74, "canonical `line NL abc`, then raw: all of it; `abc ^D`, then raw: `abc NUL`")
def pending_to_raw(t):
    port = t.canonical()
    t.comes(port, b"line\nabc")
    t.set(port)
    t.reads("line and part", port, b"line\nabc")
    to_canonical(t, port)
    t.comes(port, b"abc\x04")
    t.set(port)
    t.reads("end of file", port, b"abc\0")


@conformance(75, "echo of `a ^A TAB CR NL` with ECHO and ECHOCTL, not canonical: `a ^A TAB ^M ^J`")
def echo_raw(t):
    port = t.raw(lflag=ECHO | ECHOCTL)
    t.comes(port, b"a\x01\t\r\n")
    t.far_gets("echo", b"a^A\t^M^J")
    t.reads("read", port, b"a\x01\t\r\n")


@conformance(76, "echo of DEL: BS SP BS with ECHOE, itself without, `\\b/` with ECHOPRT")
def echo_of_erase(t):
    for name, flags, echo in (("ECHOE", ECHOE, b"ab\b \bc\r\n"), ("without", 0, b"ab\x7fc\r\n"),
                              ("ECHOPRT", ECHOE | ECHOPRT, b"ab\\b/c\r\n")):
        port = t.canonical(ECHO | flags, oflag=calls.OPOST | calls.ONLCR)
        t.comes(port, b"ab\x7fc\n")
        t.far_gets("echo, " + name, echo)
        t.reads("read, " + name, port, b"ac\n")
        t.close(port)


@conformance(77, "echo of ^U: erasing with ECHOKE, `^U NL` with ECHOK, `^U` without")
def echo_of_kill(t):
    for name, flags, echo in (("ECHOKE", ECHOE | ECHOK | ECHOKE, b"abc" + b"\b \b" * 3), ("ECHOK", ECHOK, b"abc^U\n"),
                              ("neither", 0, b"abc^U")):
        port = t.canonical(ECHO | ECHOCTL | flags)
        t.comes(port, b"abc\x15")
        t.far_gets("echo, " + name, echo)
        t.close(port)


@conformance(78, "^R behind `abc`: echo `^R NL abc`")
def reprint(t):
    port = t.canonical(ECHO | ECHOCTL | IEXTEN)
    t.comes(port, b"abc\x12")
    t.far_gets("echo", b"abc^R\nabc")
    t.comes(port, b"\n")
    t.reads("read", port, b"abc\n")


@conformance(79, "DEL behind an e with an accent, in UTF-8: 2 bytes go with IUTF8, one without")
def erase_of_utf8(t):
    port = t.canonical(iflag=IUTF8)
    t.comes(port, "é".encode() + DEL + b"\n")
    t.reads("with IUTF8", port, b"\n")
    t.set(port, lflag=ICANON)
    t.comes(port, "é".encode() + DEL + b"\n")
    t.reads("without", port, b"\xc3\n")


@conformance(80, "ECHONL without ECHO: NL alone is echoed; nothing in raw mode")
def echo_of_newline(t):
    port = t.canonical(ECHONL)
    t.comes(port, b"ab\n")
    t.far_gets("echo", b"\n")
    t.reads("read", port, b"ab\n")
    t.set(port, lflag=ECHONL)
    t.comes(port, b"ab\n")
    t.far_gets("echo in raw mode", b"")


@conformance(81, "^O is data, and echoed as ^O")
def discard(t):
    port = t.canonical(ECHO | ECHOCTL | IEXTEN)
    t.comes(port, b"a\x0fb\n")
    t.far_gets("echo", b"a^Ob\n")
    t.reads("read", port, b"a\x0fb\n")
