"""What the network offers: `browse`, and the simulator's announcements, with a real Avahi."""
import json
import os
import signal
import time

from fixture import Process, case, eventually, wait_until


@case(60)
def browse_try(t):
    bus = t.bus()
    t.note(t.run(t.binary, "browse"))
    avahi = t.avahi(bus)
    t.note(t.run(t.binary, "browse"))
    one = avahi.publish("MIO04-1-com1", port=10000, txt=["funcclass=ttynvt", "security=no"])
    two = avahi.publish("MIO04-1-com2", port=10001)
    started = time.monotonic()
    t.note(t.run(t.binary, "browse")[1])
    t.note(time.monotonic() - started)
    t.note(t.run(t.binary, "browse", "--json")[1])
    t.note(t.run("avahi-browse", "-artp")[1])
    t.note(open("/proc/net/if_inet6").read())
    t.check("x", False)
