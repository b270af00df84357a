// What a Go program does with a serial port: open it, change DTR, exchange a line, close. Asked for `busy`, it says how
// its open fails while another program has the port.
package main

import (
	"fmt"
	"os"

	serial "github.com/albenik/go-serial/v2"
)

func fail(what string, err error) {
	fmt.Printf("%s: %v\n", what, err)
	os.Exit(1)
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
	if err := port.SetDTR(false); err != nil {
		fail("SetDTR", err)
	}
	if err := port.SetDTR(true); err != nil {
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
