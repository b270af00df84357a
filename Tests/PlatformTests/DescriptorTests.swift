import Glibc
import Platform
import SystemPackage
import Testing

/// Both ends of a pipe, neither of which waits.
struct Pipe: ~Copyable {
    let reading: Descriptor
    let writing: Descriptor

    init() throws(Errno) {
        var ends: [Int32] = [-1, -1]
        try syscall("pipe") { pipe(&ends) }
        for end in ends { try syscall("fcntl") { fcntl(end, F_SETFL, O_NONBLOCK) } }
        reading = Descriptor(owning: ends[0])
        writing = Descriptor(owning: ends[1])
    }
}

@Suite struct DescriptorTests {
    /// A number far from those that tests running beside this one are given, so that what is seen at it is ours.
    private static func descriptor(from lowest: Int32) throws(Errno) -> Int32 {
        let null = try Descriptor(opening: "/dev/null", O_RDWR)
        return try syscall("fcntl") { fcntl(null.raw, F_DUPFD_CLOEXEC, lowest) }
    }

    private static func isOpen(_ raw: Int32) -> Bool { fcntl(raw, F_GETFD) != -1 }

    @Test func closedWithItsOwner() throws {
        let raw = try Self.descriptor(from: 600)
        do {
            let descriptor = Descriptor(owning: raw)
            #expect(descriptor.raw == raw && Self.isOpen(raw))
        }
        #expect(!Self.isOpen(raw))
    }

    private struct Owner: ~Copyable {
        var descriptor: Descriptor?
        mutating func drop() { descriptor = nil }
    }

    /// Passed through several owners it is closed by the last, and once: who opens the number next keeps it.
    @Test func closedOnce() throws {
        let raw = try Self.descriptor(from: 640)
        do {
            let first = Descriptor(owning: raw)
            var owner = Owner(descriptor: first)
            #expect(Self.isOpen(raw))
            owner.drop()
            #expect(!Self.isOpen(raw))
            #expect(try Self.descriptor(from: raw) == raw)
            owner.drop()
        }
        #expect(Self.isOpen(raw))
        close(raw)
    }

    @Test func releasedUnclosed() throws {
        let raw = try Self.descriptor(from: 680)
        #expect(Descriptor(owning: raw).release() == raw)
        #expect(Self.isOpen(raw))
        close(raw)
    }

    /// What the constructor opens is not handed on to a program started.
    @Test func closeOnExec() throws {
        let descriptor = try Descriptor(opening: "/dev/null", O_RDONLY)
        #expect(fcntl(descriptor.raw, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func noDescriptor() async {
        await #expect(processExitsWith: .failure) { _ = Descriptor(owning: -1) }
    }

    private func read(_ descriptor: borrowing Descriptor, _ count: Int) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: count)
        let got = try buffer.withUnsafeMutableBytes { try descriptor.read(into: $0) }
        return Array(buffer.prefix(got))
    }

    private func write(_ descriptor: borrowing Descriptor, _ bytes: [UInt8]) throws -> Int {
        try bytes.withUnsafeBytes { try descriptor.write($0) }
    }

    @Test func readingAndWriting() throws {
        let pipe = try Pipe()
        #expect(try write(pipe.writing, [1, 2, 3, 4, 5]) == 5)
        #expect(try read(pipe.reading, 3) == [1, 2, 3])
        #expect(try read(pipe.reading, 9) == [4, 5])
        #expect(throws: Errno.resourceTemporarilyUnavailable) { try read(pipe.reading, 9) }
    }

    @Test func endOfFile() throws {
        func readingEnd() throws -> Descriptor {
            let pipe = try Pipe()
            return Descriptor(owning: try syscall { dup(pipe.reading.raw) })
        }
        #expect(try read(try readingEnd(), 1) == [])
    }

    @Test func nonBlocking() throws {
        let pipe = try Pipe()
        func isNonBlocking() -> Bool { fcntl(pipe.reading.raw, F_GETFL) & O_NONBLOCK != 0 }
        try pipe.reading.setNonBlocking(false)
        #expect(!isNonBlocking())
        try pipe.reading.setNonBlocking(true)
        #expect(isNonBlocking())
        // The rest of the flags stays as it was.
        #expect(fcntl(pipe.reading.raw, F_GETFL) & O_ACCMODE == O_RDONLY)
    }
}
