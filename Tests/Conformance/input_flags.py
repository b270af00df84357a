"""F.5: what c_iflag makes of received bytes, breaks and line errors."""
import calls
from calls import (BRKINT, ECHO, EXTPROC, ICRNL, IEXTEN, IGNBRK, IGNCR, IGNPAR, INLCR, INPCK, ISIG, ISTRIP, IUCLC,
                   IXON, NOFLSH, PARMRK, fionread)
from far_side import BREAK_DETECTED, DATA_READY, PARITY
from harness import conformance


def gives(t, what, sent, expected, iflag=0, lflag=0):
    """These flags make this of what the far side sends."""
    port = t.raw(iflag=iflag, lflag=lflag)
    t.comes(port, sent)
    seen = calls.read(port, 100) if fionread(port) else b""
    t.equal(what, seen, expected)
    t.close(port)


@conformance(82, "ISTRIP: C1 E9 gives 41 69")
def strip(t):
    gives(t, "ISTRIP", b"\xc1\xe9", b"\x41\x69", ISTRIP)
    gives(t, "without", b"\xc1\xe9", b"\xc1\xe9")


@conformance(83, "PARMRK: FF gives FF FF; with ISTRIP 7F")
def mark_of_ff(t):
    gives(t, "PARMRK", b"a\xffb", b"a\xff\xffb", PARMRK)
    gives(t, "PARMRK and ISTRIP", b"a\xffb", b"a\x7fb", PARMRK | ISTRIP)
    gives(t, "neither", b"a\xffb", b"a\xffb")


@conformance(84, "INLCR, ICRNL, IGNCR and their pairs on `a NL b CR c`")
def newlines(t):
    for name, flags, expected in (("INLCR", INLCR, b"a\rb\rc"), ("ICRNL", ICRNL, b"a\nb\nc"),
                                  ("IGNCR", IGNCR, b"a\nbc"), ("IGNCR, ICRNL", IGNCR | ICRNL, b"a\nbc"),
                                  ("INLCR, ICRNL", INLCR | ICRNL, b"a\rb\nc")):
        gives(t, name, b"a\nb\rc", expected, flags)


@conformance(85, "IUCLC makes lower case with IEXTEN alone")
def lower_case(t):
    gives(t, "with IEXTEN", b"ABC", b"abc", IUCLC, IEXTEN)
    gives(t, "without", b"ABC", b"ABC", IUCLC)


@conformance(86, "^S and ^Q are no data with IXON, and data without")
def flow_characters(t):
    gives(t, "IXON", b"a\x13b\x11c", b"abc", IXON)
    gives(t, "without", b"a\x13b\x11c", b"a\x13b\x11c")


@conformance(87, "ISIG: ^C flushes the input before it, not with NOFLSH; it is no data")
def interrupt_character(t):
    gives(t, "ISIG", b"abc\x03d", b"d", lflag=ISIG)
    gives(t, "ISIG and NOFLSH", b"abc\x03d", b"abcd", lflag=ISIG | NOFLSH)
    gives(t, "without", b"abc\x03d", b"abc\x03d")


def with_error(t, what, reason, byte, iflag, expected):
    port = t.raw(iflag=iflag)
    t.far.take_rest(0.03)
    t.far.send(b"a")
    t.far.bad_byte(reason, byte)
    t.far.send(b"b")
    t.far.settle(port)
    seen = calls.read(port, 100) if fionread(port) else b""
    t.equal(what, seen, expected)
    t.close(port)


@conformance(88, "a break between a and b: nothing with IGNBRK, a flush with BRKINT, else 00, FF 00 00 with PARMRK",
             pty=False)
def breaks(t):
    with_error(t, "IGNBRK", BREAK_DETECTED, None, IGNBRK, b"ab")
    with_error(t, "IGNBRK and PARMRK", BREAK_DETECTED, None, IGNBRK | PARMRK, b"ab")
    with_error(t, "BRKINT", BREAK_DETECTED, None, BRKINT, b"b")
    with_error(t, "none", BREAK_DETECTED, None, 0, b"a\0b")
    with_error(t, "PARMRK", BREAK_DETECTED, None, PARMRK, b"a\xff\0\0b")


@conformance(89, "a parity error: c without INPCK; dropped with IGNPAR, FF 00 c with PARMRK, else 00", pty=False)
def parity_errors(t):
    for name, iflag, expected, without in (
            ("no INPCK", 0, b"acb", b"acb"), ("no INPCK, PARMRK", PARMRK, b"acb", b"acb"),
            ("INPCK, IGNPAR", INPCK | IGNPAR, b"ab", b"ab"), ("INPCK", INPCK, b"a\0b", b"a\0b"),
            ("INPCK, PARMRK", INPCK | PARMRK, b"a\xff\0cb", b"a\xff\0\0b")):
        with_error(t, name, PARITY | DATA_READY, ord("c"), iflag, expected)
        # ser2net keeps the bad byte to itself once it reports it.
        with_error(t, name + ", a server that drops the byte", PARITY, ord("c"), iflag, without)


@conformance(90, "EXTPROC with ICANON: bytes come as they are, without editing and echo")
def external_processing(t):
    port = t.canonical(EXTPROC | ECHO | ISIG | IEXTEN)
    t.comes(port, b"ab\x7f\x15\x03\xc3\n")
    t.reads("read", port, b"ab\x7f\x15\x03\xc3\n")
    t.far_gets("echo", b"")
