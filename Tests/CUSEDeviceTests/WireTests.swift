import SystemPackage
import TestSupport
import Testing

/// The messages themselves, byte by byte (<linux/fuse.h>).
@Suite struct WireTests {
    @Test func theGreeting() throws {
        try withFakeRemote { rig, _ in
            #expect(rig.greeting.error == 0)
            let bytes = rig.greeting.payload
            // struct cuse_init_out
            let fixed = wire(
                """
                07 00 00 00 | major
                """)
            #expect(Array(bytes[..<4]) == fixed)
            let minor: UInt32 = bytes.number(at: 4)
            #expect(minor >= 11)
            #expect(bytes.number(at: 12) as UInt32 == 1, "ioctls are unrestricted")
            #expect(bytes.number(at: 16) as UInt32 >= 4096, "max_read")
            #expect(bytes.number(at: 20) as UInt32 >= 4096, "max_write")
            #expect(bytes.number(at: 24) as UInt32 == 199)
            #expect(bytes.number(at: 28) as UInt32 == 7)
            // ten spare words, then the only key
            #expect(Array(bytes[72...]) == Array("DEVNAME=ttyStub7\0".utf8))
        }
    }

    @Test func aConversation() throws {
        try withFakeRemote(echoes: true) { rig, remote in
            let kernel = rig.kernel
            let open = kernel.wait(kernel.start(.open, wire("02 80 00 00 | O_RDWR, O_LARGEFILE\n00 00 00 00")))
            #expect(open.error == 0)
            #expect(Array(open.payload[8...]) == wire("00 00 00 00 | open_flags\n00 00 00 00 | padding"))
            let fh = Array(open.payload[..<8])
            // TCGETS, first pass: no sizes, an address.
            let ask =
                fh
                + wire(
                    """
                    02 00 00 00             | FUSE_IOCTL_UNRESTRICTED
                    01 54 00 00             | TCGETS
                    00 10 00 00 00 7F 00 00 | arg
                    00 00 00 00             | in_size
                    00 00 00 00             | out_size
                    """)
            let retry = kernel.wait(kernel.start(.ioctl, ask))
            let expected = wire(
                """
                00 00 00 00             | result
                04 00 00 00             | FUSE_IOCTL_RETRY
                00 00 00 00             | in_iovs
                01 00 00 00             | out_iovs
                00 10 00 00 00 7F 00 00 | base
                24 00 00 00 00 00 00 00 | len: 36
                """)
            #expect(retry.payload == expected)
            // Second pass: 36 bytes may come back.
            let answer = kernel.wait(kernel.start(.ioctl, ask.dropLast(4) + [36, 0, 0, 0]))
            #expect(answer.payload.count == 16 + 36)
            #expect(Array(answer.payload[..<8]) == wire("00 00 00 00 | result\n00 00 00 00 | flags"))
            #expect(Array(answer.payload[24..<28]) == wire("BD 0C 00 00 | c_cflag"))
            // An unknown ioctl is answered at once.
            let none = kernel.wait(
                kernel.start(.ioctl, fh + wire("02 00 00 00\n34 12 00 00") + [UInt8](repeating: 0, count: 16)))
            #expect(none.error == -25 && none.payload == [], "ENOTTY")
            // Two bytes there and, in canonical or raw mode, back again.
            let write = kernel.wait(
                kernel.start(
                    .write,
                    fh
                        + wire(
                            """
                            00 00 00 00 00 00 00 00 | offset
                            02 00 00 00             | size
                            00 00 00 00             | write_flags
                            00 00 00 00 00 00 00 00 | lock_owner
                            02 00 00 00 00 00 00 00 | flags, padding
                            41 0A                   | data
                            """)))
            #expect(write.payload == wire("02 00 00 00 | size\n00 00 00 00 | padding"))
            let read = kernel.wait(
                kernel.start(
                    .read,
                    fh
                        + wire(
                            """
                            00 00 00 00 00 00 00 00 | offset
                            10 00 00 00             | size
                            00 00 00 00             | read_flags
                            00 00 00 00 00 00 00 00 | lock_owner
                            02 00 00 00 00 00 00 00 | flags, padding
                            """)))
            #expect(read.payload.first == 0x41)
            let release = kernel.wait(kernel.start(.release, fh + [UInt8](repeating: 0, count: 16)))
            #expect(release.error == 0 && release.payload == [])
        }
    }
}
