"""Programs that want a terminal: each gets a pseudo-terminal, whose other side a case types on and looks at."""
import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, *command):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="vt100", LANG="C", HOME="/tmp")
            try:
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.shown = b""
        self.status = None

    def look(self, seconds=0.0):
        """Takes what it has shown in that time."""
        end = time.monotonic() + seconds
        while True:
            left = max(end - time.monotonic(), 0)
            if not select.select([self.master], [], [], left)[0]:
                return
            try:
                data = os.read(self.master, 65536)
            except OSError:  # EIO: the program is gone
                return
            if not data:
                return
            self.shown += data

    def expect(self, text, seconds=10.0):
        """Waits until it has shown the text."""
        end = time.monotonic() + seconds
        while text not in self.shown:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                break
            before = len(self.shown)
            self.look()
            if len(self.shown) == before:  # it is gone
                break
        return text in self.shown

    def takes_keys(self, seconds=5.0):
        """Waits until it takes each key as it is typed: programs say that they are ready before they do."""
        end = time.monotonic() + seconds
        while termios.tcgetattr(self.master)[3] & termios.ICANON:
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def type(self, data):
        self.shown = b""
        os.write(self.master, data)

    def wait(self, seconds=10.0):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                os.close(self.master)
                return self.status
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        return None
