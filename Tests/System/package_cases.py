"""What the package puts where, and whether the system likes it."""
import glob
import os
import re
import tempfile

import system
from system import PROGRAM, SUPERVISOR, case, check, output, rights, run, same, show

COMMANDS = re.compile(r"^  ([a-z-]+)(?: \(default\))?(?:, [a-z-]+)*  ", re.M)


def files(pattern=""):
    return [line for line in output("dpkg", "-L", "ttynvt-swift").splitlines()
            if re.search(pattern, line) and not os.path.isdir(line)]


@case(needed=True)
def install():
    same("a user for the ports", run("useradd", "--create-home", "--groups", "dialout", system.OPERATOR), (0, ""))
    # Its index of all manual pages has nothing to do with us, and takes 10 s here.
    run("rm", "-f", "/var/lib/man-db/auto-update")
    status, text = run("dpkg", "-i", system.package, timeout=300)
    same("dpkg -i", status, 0)
    same("the package is installed", output("dpkg-query", "-W", "-f", "${Status}", "ttynvt-swift"), "install ok installed")
    if status != 0:
        show("dpkg", text)
    same("dpkg has nothing to complain of", output("dpkg", "--verify", "ttynvt-swift"), "")
    same("the program says the package's version", output(PROGRAM, "--version"),
         output("dpkg-query", "-W", "-f", "${Version}", "ttynvt-swift"))


@case()
def users_and_rights():
    for user in ("ttynvt", "ttynvt-supervisor"):
        same("user and group", re.sub(r"\d+", "N", output("id", user)), "uid=N({0}) gid=N({0}) groups=N({0})".format(user))
        check("a system user without a shell", int(output("id", "-u", user)) < 1000
              and output("getent", "passwd", user).endswith("/nologin"))
    same("who gives the starter orders", rights("/run/ttynvt-swift/starter.sock"), "ttynvt-supervisor:ttynvt-supervisor 600")
    same("the supervisor's lock", rights("/run/ttynvt-swift/supervisor/lock"), "ttynvt-supervisor:ttynvt-supervisor 600")
    same("its state", rights("/var/lib/ttynvt-swift"), "ttynvt-supervisor:ttynvt-supervisor 755")
    same("/dev/cuse", rights("/dev/cuse"), "root:ttynvt 660")
    same("nothing of the package is anybody's but root's",
         [path for path in files() if rights(path) not in ("root:root 644", "root:root 755")], [])


@case()
def units_are_sound():
    same("the supervisor is enabled", output("systemctl", "is-enabled", SUPERVISOR), "enabled")
    same("the supervisor runs", output("systemctl", "is-active", SUPERVISOR), "active")
    show("systemctl status", output("systemctl", "status", "--no-pager", SUPERVISOR))
    for unit in files(r"systemd/system/.*\.service$"):
        same("systemd-analyze verify " + os.path.basename(unit), output("systemd-analyze", "verify", unit), "")
        text = output("systemd-analyze", "security", "--offline=yes", "--no-pager", unit)
        figure = re.search(r"Overall exposure level for .*: ([0-9.]+)", text)
        check("exposure of {}: {}, at most 1.6".format(os.path.basename(unit), figure and figure.group(1)),
              figure and float(figure.group(1)) <= 1.6, text[-200:])
    same("the starter's socket", output("systemctl", "is-active", "ttynvt-starter.socket"), "active")
    check("udevd says nothing of its rules", "ttynvt" not in system.journal("systemd-udevd"), system.journal("systemd-udevd"))


@case()
def supervisor_holds_no_privilege():
    with open("/proc/{}/status".format(system.shown(SUPERVISOR, "MainPID"))) as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    same("capabilities of the supervisor", {status[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")},
         {"0" * 16})
    same("no new privileges", status["NoNewPrivs"], "1")
    same("it is its own user", set((status["Uid"] + " " + status["Gid"] + " " + status["Groups"]).split()),
         {output("id", "-u", "ttynvt-supervisor"), output("id", "-g", "ttynvt-supervisor")})
    check("descriptors for all ports", int(system.shown(SUPERVISOR, "LimitNOFILE")) >= 4096)


@case()
def manual_pages():
    commands = COMMANDS.findall(output(PROGRAM, "--help").partition("SUBCOMMANDS:")[2])
    check("the program's commands are known", len(commands) >= 2, commands)
    pages = files(r"/man/man\d/")
    names = [os.path.basename(page) for page in pages]
    wanted = ["ttynvt-swift.1.gz", "ttynvt-swift.conf.5.gz"] + ["ttynvt-swift-{}.1.gz".format(name) for name in commands]
    same("a page for each command", sorted(names), sorted(wanted))
    for page in pages:
        text = output("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page,
                      env=dict(os.environ, LC_ALL="C.UTF-8", MANROFFSEQ="", MANWIDTH="80"))
        faults = [line for line in text.splitlines() if "warning" in line or "error" in line and line.startswith("troff")]
        same("{} has no faults".format(os.path.basename(page)), faults, [])


@case()
def completions():
    commands = COMMANDS.findall(output(PROGRAM, "--help").partition("SUBCOMMANDS:")[2])
    bash, = files("bash-completion")
    check("bash", "ttynvt" in output("bash", "-c", "source {} && complete -p ttynvt-swift".format(bash)))
    zsh, = files("zsh")
    text = output("zsh", "-fc", "fpath=({} $fpath); autoload -Uz compinit; compinit -u -d /tmp/zcompdump; "
                  "echo $_comps[ttynvt-swift]; autoload +X _ttynvt-swift && echo loads".format(os.path.dirname(zsh)))
    same("zsh", text.split(), ["_ttynvt-swift", "loads"])
    fish, = files("fish")
    text = output("fish", "--no-config", "-c", "source {}; complete -C 'ttynvt-swift '".format(fish))
    same("fish completes the commands", sorted(set(line.split()[0] for line in text.splitlines() if line.strip())
                                               & set(commands)), sorted(commands))


@case()
def configuration():
    same("it is a conffile", output("dpkg-query", "-W", "-f", "${Conffiles}", "ttynvt-swift").split()[:1],
         ["/etc/ttynvt-swift/ttynvt-swift.conf"])
    with open("/etc/ttynvt-swift/ttynvt-swift.conf") as file:
        text = file.read()
    same("it says nothing but sections", [line for line in text.splitlines() if not re.match(r"#|\[|$", line)], [])
    same("it is right", run(PROGRAM, "check-config")[0], 0)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        # A comment has a blank behind its #, what may be used has none.
        file.write("\n".join(line[1:] if re.match("#[^ ]", line) else line for line in text.splitlines()))
        file.flush()
        status, said = run(PROGRAM, "check-config", file.name)
        same("so is all that it offers: " + said, status, 0)


@case()
def documents():
    same("nothing is installed twice or left out",
         sorted(os.path.basename(path) for path in glob.glob("/usr/share/doc/ttynvt-swift/*")),
         ["README.md.gz", "changelog.Debian.gz", "changelog.gz", "copyright"])
