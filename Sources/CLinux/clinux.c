#include "clinux.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <asm/termios.h>
#include <linux/capability.h>
#include <linux/gsmmux.h>
#include <linux/if_slip.h>
#include <linux/ppp-ioctl.h>
#include <stddef.h>
#include <sys/prctl.h>

// <sys/ioctl.h> clashes with <asm/termios.h>, so its one needed declaration is repeated here.
extern int ioctl(int fd, unsigned long request, ...);

_Static_assert(sizeof(struct clinux_termios) == sizeof(struct termios), "termios");
_Static_assert(offsetof(struct clinux_termios, c_cc) == offsetof(struct termios, c_cc), "termios.c_cc");
_Static_assert(sizeof(struct clinux_termios2) == sizeof(struct termios2), "termios2");
_Static_assert(offsetof(struct clinux_termios2, c_ispeed) == offsetof(struct termios2, c_ispeed), "c_ispeed");
_Static_assert(sizeof(struct termios) == 36 && sizeof(struct termios2) == 44, "termios sizes");
_Static_assert(NCCS == CLINUX_NCCS, "NCCS");
_Static_assert(sizeof(struct serial_struct) == 72 || sizeof(void *) == 4, "serial_struct");
_Static_assert(offsetof(struct serial_struct, closing_wait) == 40 || sizeof(void *) == 4, "closing_wait");
_Static_assert(sizeof(struct serial_icounter_struct) == 80, "serial_icounter_struct");
_Static_assert(sizeof(struct serial_rs485) == 32, "serial_rs485");
_Static_assert(sizeof(struct winsize) == 8 && sizeof(struct termio) == 18, "winsize, termio");

int clinux_ioctl_value(int fd, unsigned long request, unsigned long value) { return ioctl(fd, request, value); }

int clinux_ioctl_pointer(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }

int clinux_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

int clinux_not_dumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

int clinux_keep_capabilities(void) { return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); }

void clinux_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

#define CONSTANT(name) {#name, (uint32_t)(name)}

static const struct clinux_constant constants[] = {
    CONSTANT(TCGETS), CONSTANT(TCSETS), CONSTANT(TCSETSW), CONSTANT(TCSETSF), CONSTANT(TCGETA), CONSTANT(TCSETA),
    CONSTANT(TCSETAW), CONSTANT(TCSETAF), CONSTANT(TCSBRK), CONSTANT(TCXONC), CONSTANT(TCFLSH), CONSTANT(TIOCEXCL),
    CONSTANT(TIOCNXCL), CONSTANT(TIOCSCTTY), CONSTANT(TIOCGPGRP), CONSTANT(TIOCSPGRP), CONSTANT(TIOCOUTQ),
    CONSTANT(TIOCSTI), CONSTANT(TIOCGWINSZ), CONSTANT(TIOCSWINSZ), CONSTANT(TIOCMGET), CONSTANT(TIOCMBIS),
    CONSTANT(TIOCMBIC), CONSTANT(TIOCMSET), CONSTANT(TIOCGSOFTCAR), CONSTANT(TIOCSSOFTCAR), CONSTANT(FIONREAD),
    CONSTANT(TIOCGSERIAL), CONSTANT(TIOCSSERIAL), CONSTANT(TIOCNOTTY), CONSTANT(TIOCSETD), CONSTANT(TIOCGETD),
    CONSTANT(TCSBRKP), CONSTANT(TIOCSBRK), CONSTANT(TIOCCBRK), CONSTANT(TIOCGSID), CONSTANT(TIOCGRS485),
    CONSTANT(TIOCSRS485), CONSTANT(TIOCGDEV), CONSTANT(TIOCVHANGUP), CONSTANT(TIOCGEXCL), CONSTANT(TIOCMIWAIT),
    CONSTANT(TIOCGICOUNT), CONSTANT(TIOCGLCKTRMIOS), CONSTANT(TIOCSLCKTRMIOS), CONSTANT(TIOCSERGETLSR),
    {"TCGETS2", (uint32_t)_IOR('T', 0x2A, struct termios2)}, {"TCSETS2", (uint32_t)_IOW('T', 0x2B, struct termios2)},
    {"TCSETSW2", (uint32_t)_IOW('T', 0x2C, struct termios2)}, {"TCSETSF2", (uint32_t)_IOW('T', 0x2D, struct termios2)},
    CONSTANT(BOTHER), CONSTANT(CBAUD), CONSTANT(CBAUDEX), CONSTANT(CIBAUD), CONSTANT(CSIZE), CONSTANT(CSTOPB),
    CONSTANT(CREAD), CONSTANT(PARENB), CONSTANT(PARODD), CONSTANT(HUPCL), CONSTANT(CLOCAL), CONSTANT(CMSPAR),
    CONSTANT(CRTSCTS), CONSTANT(ADDRB), CONSTANT(IXON), CONSTANT(IXOFF), CONSTANT(IXANY), CONSTANT(ICANON),
    CONSTANT(INPCK), CONSTANT(PARMRK), CONSTANT(BRKINT), CONSTANT(IGNBRK), CONSTANT(IGNPAR), CONSTANT(ICRNL),
    CONSTANT(OPOST), CONSTANT(ONLCR), CONSTANT(ISIG), CONSTANT(ECHO), CONSTANT(CS5), CONSTANT(CS6), CONSTANT(CS7),
    CONSTANT(ISTRIP), CONSTANT(INLCR), CONSTANT(IGNCR), CONSTANT(IUCLC), CONSTANT(IUTF8), CONSTANT(OLCUC),
    CONSTANT(OCRNL), CONSTANT(ONOCR), CONSTANT(ONLRET), CONSTANT(TABDLY), CONSTANT(ECHOE), CONSTANT(ECHOK),
    CONSTANT(ECHONL), CONSTANT(NOFLSH), CONSTANT(ECHOCTL), CONSTANT(ECHOPRT), CONSTANT(ECHOKE), CONSTANT(IEXTEN),
    CONSTANT(EXTPROC), CONSTANT(VINTR), CONSTANT(VQUIT), CONSTANT(VERASE), CONSTANT(VKILL), CONSTANT(VEOF),
    CONSTANT(VSUSP), CONSTANT(VEOL), CONSTANT(VREPRINT), CONSTANT(VWERASE), CONSTANT(VLNEXT), CONSTANT(VEOL2),
    CONSTANT(TIOCGPTPEER), CONSTANT(TIOCSPTLCK), CONSTANT(SER_RS485_ENABLED), CONSTANT(SER_RS485_RTS_ON_SEND),
    CONSTANT(CS8), CONSTANT(VTIME), CONSTANT(VMIN), CONSTANT(VSTART), CONSTANT(VSTOP), CONSTANT(B0), CONSTANT(B50),
    CONSTANT(B75), CONSTANT(B110), CONSTANT(B134), CONSTANT(B150), CONSTANT(B200), CONSTANT(B300), CONSTANT(B600),
    CONSTANT(B1200), CONSTANT(B1800), CONSTANT(B2400), CONSTANT(B4800), CONSTANT(B9600), CONSTANT(B19200),
    CONSTANT(B38400), CONSTANT(B57600), CONSTANT(B115200), CONSTANT(B230400), CONSTANT(B460800), CONSTANT(B500000),
    CONSTANT(B576000), CONSTANT(B921600), CONSTANT(B1000000), CONSTANT(B1152000), CONSTANT(B1500000),
    CONSTANT(B2000000), CONSTANT(B2500000), CONSTANT(B3000000), CONSTANT(B3500000), CONSTANT(B4000000),
    CONSTANT(TIOCM_DTR), CONSTANT(TIOCM_RTS), CONSTANT(TIOCM_CTS), CONSTANT(TIOCM_CAR), CONSTANT(TIOCM_RNG),
    CONSTANT(TIOCM_DSR), CONSTANT(PPPIOCGCHAN), CONSTANT(PPPIOCGUNIT), CONSTANT(PPPIOCGFLAGS),
    CONSTANT(PPPIOCSFLAGS), CONSTANT(PPPIOCGASYNCMAP), CONSTANT(PPPIOCSASYNCMAP), CONSTANT(PPPIOCGRASYNCMAP),
    CONSTANT(PPPIOCSRASYNCMAP), CONSTANT(PPPIOCGMRU), CONSTANT(PPPIOCSMRU), CONSTANT(PPPIOCGXASYNCMAP),
    CONSTANT(PPPIOCSXASYNCMAP), CONSTANT(SIOCGIFNAME), CONSTANT(SIOCSIFHWADDR), CONSTANT(SIOCGIFENCAP),
    CONSTANT(SIOCSIFENCAP), CONSTANT(SIOCSKEEPALIVE), CONSTANT(SIOCGKEEPALIVE), CONSTANT(SIOCSOUTFILL),
    CONSTANT(SIOCGOUTFILL), CONSTANT(SIOCSLEASE), CONSTANT(SIOCGLEASE), CONSTANT(GSMIOC_GETCONF),
    CONSTANT(GSMIOC_SETCONF), CONSTANT(GSMIOC_ENABLE_NET), CONSTANT(GSMIOC_DISABLE_NET), CONSTANT(GSMIOC_GETFIRST),
    CONSTANT(IFNAMSIZ), CONSTANT(CAP_NET_ADMIN), CONSTANT(CAP_SYS_ADMIN),
    {"struct termio", sizeof(struct termio)}, {"struct winsize", sizeof(struct winsize)},
    {"struct termios", sizeof(struct termios)}, {"struct termios2", sizeof(struct termios2)},
    {"struct serial_struct", sizeof(struct serial_struct)},
    {"struct serial_icounter_struct", sizeof(struct serial_icounter_struct)},
    {"struct serial_rs485", sizeof(struct serial_rs485)},
};

const struct clinux_constant *clinux_constants(int *count) {
    *count = (int)(sizeof constants / sizeof *constants);
    return constants;
}
