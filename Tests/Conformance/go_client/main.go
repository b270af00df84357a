// What a Go program does with a serial port: open it, change DTR, exchange a line, close. With a second argument it only
// holds the port, until it can read a byte.
package main

import (
	"fmt"
	"os"

	serial "github.com/albenik/go-serial/v2"
	"golang.org/x/sys/unix"
)

func fail(what string, err error) {
	fmt.Printf("%s: %v\n", what, err)
	os.Exit(1)
}

// This library's SetDTR hands TIOCMSET a number for an address, which no tty takes; go.bug.st/serial's is this.
func setDTR(name string, on bool) error {
	handle, err := unix.Open(name, unix.O_RDWR|unix.O_NOCTTY|unix.O_NDELAY, 0)
	if err != nil {
		return err
	}
	defer unix.Close(handle)
	status, err := unix.IoctlGetInt(handle, unix.TIOCMGET)
	if err != nil {
		return err
	}
	status &^= unix.TIOCM_DTR
	if on {
		status |= unix.TIOCM_DTR
	}
	return unix.IoctlSetPointerInt(handle, unix.TIOCMSET, status)
}

func main() {
	port, err := serial.Open(os.Args[1], serial.WithBaudrate(115200), serial.WithReadTimeout(2000))
	if err != nil {
		fail("open", err)
	}
	if len(os.Args) > 2 {
		fmt.Println("open")
		buffer := make([]byte, 1)
		os.Stdin.Read(buffer)
		return
	}
	if err := setDTR(os.Args[1], false); err != nil {
		fail("SetDTR", err)
	}
	if err := setDTR(os.Args[1], true); err != nil {
		fail("SetDTR", err)
	}
	if _, err := port.Write([]byte("ping\n")); err != nil {
		fail("write", err)
	}
	answer := make([]byte, 5)
	count, err := port.Read(answer)
	if err != nil {
		fail("read", err)
	}
	bits, err := port.GetModemStatusBits()
	if err != nil {
		fail("lines", err)
	}
	if err := port.Close(); err != nil {
		fail("close", err)
	}
	fmt.Printf("read %q, CTS %v\n", answer[:count], bits.CTS)
}
