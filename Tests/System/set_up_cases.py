"""What the cases after the installation's own need: most of them announce their ports on the machine itself."""
from lab import CONFIGURATION
from system import SUPERVISOR, case, run, same


@case(needed=True)
def local_announcements_count():
    with open(CONFIGURATION) as file:
        text = file.read()
    with open(CONFIGURATION, "w") as file:
        file.write(text.replace("[discovery]\n", "[discovery]\nlocal = yes\n", 1))
    same("local = yes is taken", run("systemctl", "reload", SUPERVISOR), (0, ""))
