"""What the network offers, with a real Avahi: `browse`, once and as it changes, and the simulator's announcements."""
import json
import os
import re
import subprocess
import time

from fake_avahi import FakeAvahi
from fixture import Process, case, eventually, wait_until

TXT = ["funcclass=ttynvt", "security=no", "auxport=not_avail-0", "auxschema=not_avail"]


def browse_json(t, *options, seconds=30.0):
    """`browse --json`, by name."""
    status, output = t.run(t.binary, "browse", "--json", *options, seconds=seconds)
    if status != 0:
        raise RuntimeError("browse --json: status {}: {}".format(status, output[-300:]))
    # Behind what it says on standard error, if anything.
    return {service["name"]: service for service in json.loads(output[re.search("(?m)^\\[", output).start():])}


class Watch(Process):
    """`browse --watch --json`; its events in order."""

    def __init__(self, t, *options):
        t.names += 1
        super().__init__(t, "watch{}".format(t.names), [t.binary, "browse", "--watch", "--json"] + list(options))

    @property
    def services(self):
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{") and line.endswith("}")]

    @property
    def events(self):
        return [(service["event"], service["name"], service["port"]) for service in self.services]

    def saw(self, *event, seconds=10.0):
        return eventually(lambda: event in [seen[:len(event)] for seen in self.events], seconds)


def one_line(t, name, result, words, status=1):
    lines = result[1].strip().splitlines()
    t.note("{}: {}".format(name, " | ".join(lines)))
    t.equal(name + ": exit status", result[0], status)
    t.check(name + ": one line that names it", len(lines) == 1 and all(word in lines[0] for word in words), lines)


@case(40)
def browse_without_bus_or_avahi(t):
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/run/no-such-bus"
    for option in ([], ["--watch"], ["--json"]):
        one_line(t, "no bus " + " ".join(option), t.run(t.binary, "browse", *option), ["/run/no-such-bus", "dbus"])
    bus = t.bus()
    one_line(t, "no Avahi", t.run(t.binary, "browse"), ["Avahi", "avahi-daemon"])
    t.avahi(bus)
    one_line(t, "nothing there", t.run(t.binary, "browse"), ["no service found", "_ttynvt._tcp"], status=0)
    t.equal("nothing there, in JSON", t.run(t.binary, "browse", "--json")[1].strip(), "[]")
    for word in ("ttynvt", "_ttynvt", "_ttynvt._sctp", "_tty nvt._tcp", "_._tcp", "_ttynvt._tcp.local", ""):
        status, output = t.run(t.binary, "browse", word)
        t.check("'{}' is no type".format(word), status not in (0, None) and "illegal service type" in output, output)


@case(40)
def browse_table_and_json(t):
    bus = t.bus()
    avahi = t.avahi(bus)
    server = t.simulator("--advertise", "MIO04-1", ports=2)
    server.expect("announcing 2 ports", 15)
    ports = [int(address.rsplit(":", 1)[1]) for address in server.addresses]
    started = time.monotonic()
    status, output = t.run(t.binary, "browse")
    t.took("the table is there", time.monotonic() - started, 0, 4)
    lines = output.splitlines()
    for line in lines:
        t.note(line)
    t.check("a header and two ports", status == 0 and len(lines) == 3 and lines[0].startswith("NAME "), lines)
    columns = [re.split(r"  +", line) for line in lines]
    for index in (1, 2):
        t.equal("row {}".format(index), columns[index][:5], [
            "MIO04-1-com{}".format(index), "guest.local", "127.0.0.1", str(ports[index - 1]),
            "/dev/ttyMIO04-1-com{}".format(index)])
        t.equal("TXT of row {}".format(index), sorted(columns[index][5].split()), sorted(TXT))
    found = browse_json(t)
    t.equal("the names in JSON", sorted(found), ["MIO04-1-com1", "MIO04-1-com2"])
    service = found["MIO04-1-com2"]
    t.equal("its place", (service["host"], service["port"], service["addresses"], service["interfaces"]),
            ("guest.local", ports[1], ["127.0.0.1"], ["lo"]))
    t.equal("its TXT", service["txt"], dict(text.split("=") for text in TXT))
    t.equal("its device", service["device"], "/dev/ttyMIO04-1-com2")
    avahi.publish("stream", type="_iostream._tcp", port=4, txt=["gensiostack=telnet(rfc2217),tcp"])
    t.equal("another type", [s["txt"] for s in browse_json(t, "_iostream._tcp").values()],
            [{"gensiostack": "telnet(rfc2217),tcp"}])
    t.equal("two types", sorted(browse_json(t, "_iostream._tcp", "_ttynvt._tcp")),
            ["MIO04-1-com1", "MIO04-1-com2", "stream"])
    status, output = t.run(t.binary, "browse", "_iostream._tcp", "_ttynvt._tcp")
    t.check("two types have a column", "TYPE" in output.splitlines()[0] and output.count("_iostream._tcp") == 1, output)


@case(60)
def watch_sees_changes(t):
    bus = t.bus()
    avahi = t.avahi(bus)
    watch = Watch(t)
    plain = Process(t, "plain", [t.binary, "browse", "--watch"])
    service = avahi.publish("a", port=1000)
    t.check("it appears", watch.saw("appeared", "a", 1000))
    plain.expect(r"(?m)^\+ a  guest\.local  \S+  1000  /dev/ttya")
    service.stop()
    t.check("it vanishes", watch.saw("vanished", "a"))
    plain.expect(r"(?m)^- a  ")
    # A static service that is changed has its record replaced, without a goodbye of the name.
    path = avahi.service_file("b", port=2000, file="b")
    avahi.reload()
    t.check("a static one appears", watch.saw("appeared", "b", 2000))
    before = len(watch.events)
    avahi.service_file("b", port=2001, file="b", txt=["x=y"])
    avahi.reload()
    t.check("its port changes", eventually(
        lambda: watch.events[before:] and watch.events[-1][0] != "vanished" and watch.events[-1][2] == 2001, 10),
        watch.events)
    t.note("a new port is told as {}".format([event for event, _, _ in watch.events[before:]]))
    os.unlink(path)
    avahi.reload()
    t.check("it vanishes as well", watch.saw("vanished", "b"), watch.events)
    t.equal("nothing on standard error", [l for l in watch.log.splitlines() if not l.startswith("{")], [])


@case(60)
def watch_port_change_of_the_same_name(t):
    """A server that comes back at another port, as after its configuration changed: one name, another port."""
    bus = t.bus()
    t.avahi(bus)
    first = t.simulator("--advertise", "box")
    first.expect("announcing", 15)
    watch = Watch(t)
    port = int(first.address.rsplit(":", 1)[1])
    t.check("it is there", watch.saw("appeared", "box-com1", port))
    first.stop()
    t.check("it goes at once when the simulator ends", watch.saw("vanished", "box-com1", seconds=3), watch.events)
    second = t.simulator("--advertise", "box")
    port = int(second.address.rsplit(":", 1)[1])
    t.check("it is back, at the new port", watch.saw("appeared", "box-com1", port), watch.events)


@case(90, over=["TERM", "KILL"])
def watch_over_avahi_restart(t, how):
    bus = t.bus()
    avahi = t.avahi(bus, start=False)
    for name, port in (("stays", 1), ("goes", 2), ("moves", 3)):
        avahi.service_file(name, port=port, file=name)
    avahi.start()
    watch = Watch(t)
    for name, port in (("stays", 1), ("goes", 2), ("moves", 3)):
        t.check(name + " is there", watch.saw("appeared", name, port))
    settled = len(watch.events)
    avahi.stop(15 if how == "TERM" else 9)
    t.check("the outage is told", eventually(lambda: "waiting for it" in watch.log))
    os.unlink("/etc/avahi/services/goes.service")
    avahi.service_file("moves", port=33, file="moves")
    avahi.service_file("comes", port=4, file="comes")
    time.sleep(1.5)
    # By SIGTERM Avahi takes everything back itself: those goodbyes are true.
    during = watch.events[settled:]
    if how == "KILL":
        t.equal("nothing is said to be gone while Avahi is", during, [])
    avahi.start()
    t.check("the new one appears", watch.saw("appeared", "comes", 4, seconds=20), watch.events)
    t.check("what went meanwhile is told", watch.saw("vanished", "goes", seconds=20), watch.events)
    t.check("what moved is told", eventually(lambda: any(
        event[1:] == ("moves", 33) for event in watch.events[settled:]), 20), watch.events)
    if how == "KILL":
        t.check("it just changed", ("changed", "moves", 33) in watch.events, watch.events)
        t.equal("nothing is told of what stayed", [e for e in watch.events[settled:] if e[1] == "stays"], [])
    t.check("standard error says how it went", watch.log.count("waiting for it") == 1
            and watch.log.count("Avahi is running") == 1, watch.log)


@case(60)
def watch_before_avahi(t):
    bus = t.bus()
    watch = Watch(t)
    t.check("it waits", eventually(lambda: "waiting for it" in watch.log))
    avahi = t.avahi(bus)
    avahi.publish("late", port=7)
    t.check("and sees", watch.saw("appeared", "late", 7))
    t.check("still running", watch.status is None)


@case(60)
def watch_over_bus_restart(t):
    bus = t.bus()
    avahi = t.avahi(bus, start=False)
    avahi.service_file("stays", port=1)
    avahi.start()
    watch = Watch(t)
    t.check("it is there", watch.saw("appeared", "stays", 1))
    bus.stop()
    t.check("the bus's end is told", eventually(lambda: "system bus has ended" in watch.log), watch.log)
    avahi.process.stop(9)
    bus.start()
    t.check("so is Avahi's absence", eventually(lambda: "waiting for it" in watch.log), watch.log)
    avahi.start()
    avahi.publish("new", port=2)
    t.check("the new one is seen", watch.saw("appeared", "new", 2, seconds=20), watch.log)
    t.equal("nothing else was told", len(watch.events), 2)


@case(60)
def interface_goes(t):
    subprocess.run(["ip", "link", "add", "dummy7", "type", "dummy"], check=True)
    subprocess.run(["ip", "address", "add", "198.51.100.1/24", "dev", "dummy7"], check=True)
    subprocess.run(["ip", "link", "set", "dummy7", "up", "multicast", "on"], check=True)
    bus = t.bus()
    avahi = t.avahi(bus, interfaces="lo,dummy7", ipv6=False)
    avahi.publish("a", port=1000)
    watch = Watch(t)
    t.check("it is there", watch.saw("appeared", "a"))
    last = lambda: [json.loads(line) for line in watch.log.splitlines() if line.startswith("{")][-1]
    t.check("on both interfaces", eventually(lambda: last()["interfaces"] == ["dummy7", "lo"]), last())
    subprocess.run(["ip", "link", "delete", "dummy7"], check=True)
    t.check("one goes, and its address", eventually(
        lambda: (last()["interfaces"], last()["addresses"]) == (["lo"], ["127.0.0.1"]), 10), last())
    t.check("the service stays", all(event[0] != "vanished" for event in watch.events), watch.events)


@case(60)
def host_name_changes(t):
    """Avahi's host name changes: its services are announced again, and found at the new name."""
    bus = t.bus()
    t.avahi(bus)
    server = t.simulator("--advertise", "box", ports=2)
    server.expect("announcing 2 ports", 15)
    t.equal("the host", browse_json(t)["box-com1"]["host"], "guest.local")
    status, output = t.run("avahi-set-host-name", "other")
    t.equal("avahi-set-host-name", status, 0)
    t.check("advertised anew", eventually(lambda: server.log.count("announcing 2 ports") == 2, 15), server.log)
    t.equal("the new one", [service["host"] for service in browse_json(t).values()], ["other.local"] * 2)


HOSTILE = [
    # The name, and its XML form if it needs escapes.
    'quote"s', "apos'trophe", "a/b", "../../etc/passwd", "..", "a b", "back\\slash", "$(reboot)", "%s%n", "-rf",
    "ä" * 31 + "x", "S0", "USB3", "ACM0", "printk", "日本語", "\u202egnp.exe", "\u009b31m", "<b>&amp;</b>", ".",
    "x" * 62, "line\nfeed", "tab\there",
]


@case(90)
def hostile_names(t):
    bus = t.bus()
    avahi = t.avahi(bus, start=False)
    for name in HOSTILE + ["good"]:
        avahi.service_file(name, txt=["k=\u202e\u009b", "evil=`id`", "q=\"'"])
    avahi.start()
    found = browse_json(t)
    missing = [name for name in HOSTILE if name not in found]
    t.note("{} of {} names passed Avahi; not {}".format(len(HOSTILE) - len(missing), len(HOSTILE), missing))
    t.check("most of them passed Avahi", len(missing) <= 3, missing)
    refused = {name: service.get("refused") for name, service in found.items()}
    t.equal("the good one is a device", found["good"]["device"], "/dev/ttygood")
    allowed = {name for name in found if re.fullmatch(r"[A-Za-z0-9._-]+", name)}
    for name in sorted(found):
        driver = name in ("S0", "USB3", "ACM0", "printk")
        is_ok = name in allowed and not driver and ".." not in name and len("tty" + name) <= 64
        t.check("{!r}: {}".format(name, "taken" if is_ok else "refused"), bool(refused[name]) != is_ok,
                found[name]["device"])
    status, output = t.run(t.binary, "browse")
    t.equal("one line each", len(output.splitlines()), len(found) + 1)
    t.check("no control character, nothing that turns text around",
            not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", output), output)
    for line in output.splitlines():
        if "refused" in line:
            t.note(line)


@case(60)
def both_families(t):
    subprocess.run(["ip", "-6", "address", "add", "fd00:2::1/64", "dev", "dummy0", "nodad"], check=False)
    bus = t.bus()
    avahi = t.avahi(bus, interfaces="dummy0")
    avahi.publish("both", port=9)
    service = browse_json(t)["both"]
    t.note(service["endpoints"])
    t.check("IPv4 comes first", service["addresses"][0] == "192.0.2.1", service)
    t.check("IPv6 is there", any(":" in address for address in service["addresses"]), service)
    for address, endpoint in zip(service["addresses"], service["endpoints"]):
        if ":" in address:
            t.check("in brackets", endpoint == "[{}]:9".format(address), endpoint)
        if address.startswith("fe80"):
            t.check("link-local with its interface", address.endswith("%dummy0"), address)


def memory(pid):
    """Its peak resident set, in MB."""
    with open("/proc/{}/status".format(pid)) as file:
        return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) / 1024


def timed_browse(t, *options, seconds=120.0):
    """(status, output, seconds, peak MB, seconds of processor time)"""
    started = time.monotonic()
    output = os.path.join(t.directory, "browse.out")
    with open(output, "wb") as out:
        process = subprocess.Popen([t.binary, "browse"] + list(options), stdout=out, stdin=subprocess.DEVNULL,
                                   stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
    with open(output, encoding="utf-8") as file:
        return (os.waitstatus_to_exitcode(status), file.read(), time.monotonic() - started, usage.ru_maxrss / 1024,
                usage.ru_utime + usage.ru_stime)


@case(240)
def a_thousand_services(t):
    """As many as a real Avahi announces in reasonable time."""
    bus = t.bus()
    avahi = t.avahi(bus, interfaces="lo", ipv6=False, start=False)
    for index in range(1000):
        avahi.service_file("s{:05}".format(index), port=1 + index, file="s{}".format(index))
    started = time.monotonic()
    avahi.start(seconds=60)
    wait_until(lambda: avahi.process.log.count("successfully established") == 1000, 60, "1000 services established")
    t.note("Avahi took {:.1f} s".format(time.monotonic() - started))
    status, output, seconds, peak, cpu = timed_browse(t, "--json", "--timeout", "100")
    found = json.loads(output)
    t.note("browse: {:.1f} s, {:.1f} s of processor time, {:.1f} MB".format(seconds, cpu, peak))
    t.equal("all are found", len(found), 1000)
    t.check("at their ports", all(int(service["name"][1:]) + 1 == service["port"] for service in found))
    t.check("in little memory", peak < 32, peak)


@case(120)
def a_drowning_avahi(t):
    """Ten thousand services of its own are more than Avahi can do: browse says so, in its time."""
    bus = t.bus()
    avahi = t.avahi(bus, interfaces="lo", ipv6=False, start=False)
    for index in range(10000):
        avahi.service_file("s{:05}".format(index), port=1 + index, file="s{}".format(index))
    avahi.start(seconds=60)
    status, output, seconds, peak, cpu = timed_browse(t, "--timeout", "5")
    t.note("{:.1f} s, {:.1f} MB: {}".format(seconds, peak, " | ".join(output.splitlines()[:3])))
    t.took("browse ends in time", seconds, 4.5, 8)
    t.check("and says that this was not all", "not everything was answered within 5.0 s" in output, output[:300])
    t.equal("exit status", status, 0)
    avahi.process.stop(9)


@case(120)
def ten_thousand_services(t):
    """More than is kept, more than Avahi has objects for a client."""
    bus = t.bus()
    fake = FakeAvahi(bus, {(1, 0, "s{:05}".format(i)): ("host.local", "192.0.2.9", 1 + i, ["n=" + str(i)])
                           for i in range(10000)})
    status, output, seconds, peak, cpu = timed_browse(t, "--json", "--timeout", "60")
    text = output[output.index("\n[") + 1:]
    found = json.loads(text)
    resolved = [service for service in found if service["port"]]
    t.note("{} found, {} resolved, {:.1f} s, {:.1f} s of processor time, {:.1f} MB; {}".format(
        len(found), len(resolved), seconds, cpu, peak, output[:output.index("\n[")].strip()))
    t.equal("as many as are kept", len(found), 2048)
    t.equal("all of them resolved", len(resolved), 2048)
    t.check("with their own ports", all(int(service["name"][1:]) + 1 == service["port"] for service in resolved))
    t.check("the overflow is told, once", output.count("passed over") == 1, output[:300])
    t.check("in little memory", peak < 40, peak)
    t.check("in time", seconds < 60, seconds)
    t.equal("exit status", status, 0)
    t.check("fewer objects than Avahi allows", fake.most_objects <= 901 and fake.refused == 0,
            (fake.most_objects, fake.refused))
    # Too many names are listed anew after some seconds, which may give others their turn. A slow machine gets there.
    again = fake.calls["ServiceBrowserPrepare"] - 1
    t.check("the rest is resolved once each", 2048 - 900 <= len(fake.resolved_once) <= 2048 - 900 + 2048 * again,
            (len(fake.resolved_once), again))
    fake.stop()


@case(60)
def fewer_objects_than_usual(t):
    """An Avahi configured to allow a client little (objects-per-client-max)."""
    bus = t.bus()
    fake = FakeAvahi(bus, {(1, 0, "s{:03}".format(i)): ("host.local", "192.0.2.9", 1 + i, []) for i in range(500)},
                     objects_max=100)
    started = time.monotonic()
    found = browse_json(t)
    t.took("all is found", time.monotonic() - started, 0, 8)
    t.equal("all is resolved", sum(service["port"] is not None for service in found.values()), 500)
    t.check("Avahi had to refuse few calls", 0 < fake.refused <= 64, fake.refused)
    t.note("{} refused, {} asked once".format(fake.refused, len(fake.resolved_once)))


ONE = ("h.local", "192.0.2.1", 1000, ["funcclass=ttynvt"])


@case(60, over=["server2", "server1", "server1-early"])
def avahi_interfaces(t, how):
    """Server2 prepares objects; the older Server makes them at once, and they may speak before they have a name."""
    bus = t.bus()
    fake = FakeAvahi(bus, {(1, 0, "a"): ONE, (1, 1, "a"): ("h.local", "fe80::7", 1000, []), (2, 0, "b"): None},
                     server2=how == "server2", early=how == "server1-early")
    started = time.monotonic()
    found = browse_json(t)
    t.took("it does not wait for what cannot be resolved", time.monotonic() - started, 0, 3)
    t.equal("both are found", sorted(found), ["a", "b"])
    t.equal("in all places", found["a"]["addresses"], ["192.0.2.1", "fe80::7%lo"])
    t.equal("the one that is not resolved has none", found["b"]["endpoints"], [])
    t.check("in the table it says so", "not resolved" in t.run(t.binary, "browse")[1])
    t.check("{} was used".format(how), fake.calls.get("ServiceBrowserPrepare", 0) > 0
            and bool(fake.calls.get("ServiceBrowserNew", 0)) == (how != "server2"), fake.calls)
    watch = Watch(t)
    t.check("watched as well", watch.saw("appeared", "a", 1000))
    fake.change((1, 0, "a"), ("h.local", "192.0.2.1", 1001, []))
    t.check("a new word of the resolver", watch.saw("changed", "a", 1001), watch.events)
    fake.announce((1, 0, "a"), None, "ItemRemove")
    t.check("one place less", watch.saw("changed", "a", 1000), watch.events)
    fake.announce((1, 1, "a"), None, "ItemRemove")
    t.check("none", watch.saw("vanished", "a"), watch.events)
    fake.items[(2, 0, "b")] = ("h.local", "192.0.2.2", 5, [])
    t.check("what could not be resolved is tried again", watch.saw("appeared", "b", 5, seconds=15), watch.events)
    fake.announce((2, 0, "b"), None, "ItemRemove")
    watcher = fake.browsers()[-1][1]
    t.check("resolvers are freed", eventually(
        lambda: [made[0] for made in fake.objects.values() if made[1] == watcher] == ["ServiceBrowser"]), fake.objects)


@case(60)
def a_service_moves_to_another_host(t):
    """Avahi's resolver has the new host's port and the old host's address then: that is nowhere."""
    bus = t.bus()
    fake = FakeAvahi(bus, {(1, 0, "a"): ("old.local", "192.0.2.1", 1000, [])})
    watch = Watch(t)
    t.check("watched", watch.saw("appeared", "a", 1000))
    fake.move((1, 0, "a"), ("new.local", "192.0.2.2", 2000, []))
    t.check("found at the new host", watch.saw("changed", "a", 2000), watch.events)
    t.equal("at its address", browse_json(t)["a"]["endpoints"], ["192.0.2.2:2000"])
    t.equal("and never anywhere else", {service["endpoints"][0] for service in watch.services if service["endpoints"]},
            {"192.0.2.1:1000", "192.0.2.2:2000"})
    made = fake.calls["ServiceResolverPrepare"]
    # Two hosts that take turns: not each turn makes a resolver.
    for turn in range(100):
        fake.move((1, 0, "a"), ("host{}.local".format(turn % 2), "192.0.2.{}".format(10 + turn % 2), 3000, []))
    fake.announce((1, 0, "b"), ONE)
    t.check("others are found all the same", watch.saw("appeared", "b"), watch.events)
    made = fake.calls["ServiceResolverPrepare"] - made
    t.check("few resolvers were made", made <= 3, made)


@case(60)
def names_differ_by_case_only(t):
    """DNS has one name for both: the spelling that was heard first stays."""
    bus = t.bus()
    fake = FakeAvahi(bus, {(1, 0, "Com1"): ("h.local", "192.0.2.1", 1000, [])})
    watch = Watch(t)
    t.check("watched", watch.saw("appeared", "Com1", 1000))
    fake.announce((1, 1, "COM1"), ("H.LOCAL", "fe80::7", 1000, []))
    t.check("one more place", eventually(lambda: any(len(service["addresses"]) == 2 for service in watch.services)),
            watch.events)
    t.equal("of the one service", {event[1] for event in watch.events}, {"Com1"})


@case(120)
def bare_names(t):
    """Names that cannot be resolved fill no places of those that can, nor do those of one interface another's."""
    bus = t.bus()
    fake = FakeAvahi(bus, {(1, 0, "bare{:04}".format(i)): None for i in range(2400)})
    fake.items[(2, 0, "good")] = ONE
    watch = Watch(t)
    t.check("the good one is found", watch.saw("appeared", "good", 1000, seconds=15), watch.log)
    t.check("the overflow is told", eventually(lambda: "passed over" in watch.log, 5), watch.log)
    fake.announce((2, 0, "later"), ONE)
    t.check("and one that comes later", watch.saw("appeared", "later", 1000, seconds=15), watch.log)
    fake.announce((1, 0, "same"), ONE)
    t.check("on the flooded interface as well", watch.saw("appeared", "same", 1000, seconds=30), watch.log)
    t.equal("told once", watch.log.count("passed over"), 1)
    for name in [key for key in fake.items if key[2].startswith("bare")]:
        fake.items.pop(name)
    fake.announce((1, 0, "last"), ONE)
    t.check("all is listed anew meanwhile", eventually(lambda: fake.calls["ServiceBrowserPrepare"] >= 2, 20), fake.calls)
    t.check("found after the flood", watch.saw("appeared", "last", 1000, seconds=15), watch.log)


@case(60)
def hostile_avahi_words(t):
    """What no Avahi says, and what anybody on the bus may say."""
    bus = t.bus()
    fake = FakeAvahi(bus, {
        (1, 0, "good"): ONE,
        (1, 0, "port0"): ("h", "192.0.2.1", 0, []),
        (1, 0, "address"): ("h", "1.2.3.4,5.6.7.8:1", 1, []),
        (1, 0, "zone"): ("h", "fe80::1%lo", 1, []),
        (1, 0, "host"): ("h\x1b[2J\nx", "192.0.2.3", 1, []),
        (1, 0, "long" * 100): ONE,
        (1, 0, "txt"): ("h", "192.0.2.4", 1, [b"", b"=", b"\xff\xfe=1", b"k=\xff\x00\x1b", b"k" * 300, b"K=2"]
                        + ["n{}=1".format(i) for i in range(1000)]),
        (-1, -1, "nowhere"): ONE,
        (2**31 - 1, 77, "far"): ONE,
    })
    found = browse_json(t)
    t.equal("all but what is too long", sorted(found), sorted(
        ["good", "port0", "address", "zone", "host", "txt", "nowhere", "far"]))
    for name in ("port0", "address", "zone"):
        t.equal(name + " has no place", found[name]["endpoints"], [])
    t.equal("TXT is bounded", len(found["txt"]["txt"]), 32)
    t.equal("the first of a key counts", found["txt"]["txt"]["k"], "\ufffd\0\x1b")
    output = t.run(t.binary, "browse")[1]
    t.check("no control character in the table", not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", output), output)
    watch = Watch(t)
    t.check("watched", watch.saw("appeared", "good"))
    # A stranger on the bus talks to the watcher as if it were Avahi.
    stranger = FakeAvahi(bus, own=False)
    for path, client in fake.browsers():
        stranger.signal(client, path, "ServiceBrowser", "ItemRemove", "iisssu",
                        [1, 0, "good", "_ttynvt._tcp", "local", 0])
        stranger.signal(client, path, "ServiceBrowser", "ItemNew", "iisssu",
                        [1, 0, "evil", "_ttynvt._tcp", "local", 0])
        # And Avahi itself in words of another form.
        fake.signal(client, path, "ServiceBrowser", "ItemNew", "s", ["evil"])
        fake.signal(client, path, "ServiceBrowser", "ItemNew", "iisssu", [1, 0, "evil", "_ssh._tcp", "local", 0])
        fake.signal(client, path, "ServiceBrowser", "ItemNew", "iisssu", [1, 0, "", "_ttynvt._tcp", "local", 0])
        fake.signal(client, path, "ServiceBrowser", "Unknown", "a{sv}", [[("k", ("i", 1))]])
        fake.signal(client, "/none", "ServiceBrowser", "ItemNew", "iisssu", [1, 0, "x", "_ttynvt._tcp", "local", 0])
    fake.announce((1, 0, "last"), ONE)
    t.check("still watched", watch.saw("appeared", "last"), watch.events)
    t.equal("signals of other senders are ignored", [event for event in watch.events if event[1] in ("evil", "x", "")
                                        or event[0] == "vanished"], [])


@case(120)
def two_hundred_advertised(t):
    bus = t.bus()
    t.avahi(bus, interfaces="lo", ipv6=False)
    watch = Watch(t)
    started = time.monotonic()
    server = t.simulator("--advertise", "big", ports=200)
    server.expect("announcing 200 ports", 60)
    advertised = time.monotonic() - started
    wait_until(lambda: len(watch.events) >= 200, 60, "200 appearing")
    t.note("200 ports advertised after {:.1f} s, all seen after {:.1f} s".format(
        advertised, time.monotonic() - started))
    ports = {"big-com{}".format(i + 1): int(a.rsplit(":", 1)[1]) for i, a in enumerate(server.addresses)}
    status, output, seconds, peak, cpu = timed_browse(t, "--json")
    found = {service["name"]: service["port"] for service in json.loads(output)}
    t.equal("browse finds all, at their ports", found, ports)
    t.note("browse: {:.1f} s, {:.1f} MB, {:.2f} s of processor time".format(seconds, peak, cpu))
    server.stop()
    t.check("all vanish when it ends", eventually(
        lambda: sum(event[0] == "vanished" for event in watch.events) == 200, 20), len(watch.events))


@case(90)
def advertised_over_avahi_restart(t):
    bus = t.bus()
    server = t.simulator("--advertise", "box", ports=3)
    server.expect("Avahi is not running", 5)
    avahi = t.avahi(bus)
    server.expect("announcing 3 ports", 15)
    avahi.stop(9)
    t.check("its absence is told again", eventually(lambda: server.log.count("Avahi is not running") == 2), server.log)
    avahi.start()
    t.check("advertised again", eventually(lambda: server.log.count("announcing 3 ports") == 2, 15), server.log)
    t.equal("all of them", sorted(browse_json(t)), ["box-com1", "box-com2", "box-com3"])
    bus.stop()
    t.check("the bus's end is told", eventually(lambda: "system bus has ended" in server.log), server.log)
    avahi.process.stop(9)
    bus.start()
    avahi.start()
    t.check("advertised once more", eventually(lambda: server.log.count("announcing 3 ports") == 3, 15), server.log)
    t.check("few lines about it all", len(server.log.splitlines()) <= 3 + 8, server.log)
    t.equal("the simulator ends at SIGTERM", server.stop(), 0)


@case(60)
def advertised_name_taken(t):
    bus = t.bus()
    avahi = t.avahi(bus)
    avahi.publish("box-com2", port=99)
    server = t.simulator("--advertise", "box", ports=3)
    server.expect("cannot announce box-com2: another host uses that name", 15)
    server.expect("announcing 2 ports", 15)
    found = browse_json(t)
    t.equal("the others are", sorted(found), ["box-com1", "box-com2", "box-com3"])
    t.equal("the name is whose it was", found["box-com2"]["port"], 99)
    t.equal("told once", server.log.count("cannot announce box-com2"), 1)
    for name in ("", "x" * 56):
        status, output = t.run(t.binary, "simulate", "--port", "0", "--advertise=" + name)
        t.check("a name of {} bytes is refused".format(len(name)), status not in (0, None) and "--advertise" in output,
                output)


@case(60)
def advertised_type(t):
    bus = t.bus()
    t.avahi(bus)
    server = t.simulator("--advertise", "box", "--advertise-type", "_iostream._tcp")
    server.expect("announcing 1 port", 15)
    found = browse_json(t, "_iostream._tcp")
    t.equal("found under that type", found["box-com1"]["txt"], {"gensiostack": "telnet(rfc2217),tcp"})
    t.equal("and not under the other", browse_json(t), {})
    everywhere = t.simulator("--advertise", "wide", "--listen", "0.0.0.0")
    everywhere.expect("announcing", 15)
    t.equal("a port for all is announced on all interfaces", browse_json(t)["wide-com1"]["interfaces"],
            ["dummy0", "lo"])
