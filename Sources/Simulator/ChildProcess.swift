import CLinux
import Glibc
import Platform
import SerialLine
import SystemPackage

/// A shell command in a process group of its own, with pipes for its standard input and output.
final class ChildProcess {
    let id: pid_t
    /// Readable after the process has ended.
    let exit: Descriptor
    /// Its standard input, non-blocking.
    let input: Descriptor
    /// Its standard output, non-blocking.
    let output: Descriptor
    private var isReaped = false

    /// Time for the process to end after SIGTERM, in nanoseconds.
    private static let grace: UInt64 = .milliseconds(500)

    /// Starts `sh -c command`.
    init(shell command: String) throws(Errno) {
        let toChild = try Pipe()
        let fromChild = try Pipe()
        let id = try spawn(
            "/bin/sh", ["sh", "-c", command], input: toChild.reads, output: fromChild.writes, in: .ownGroup)
        self.id = id
        input = toChild.takeWrites()
        output = fromChild.takeReads()
        do {
            exit = Descriptor(owning: try syscall("pidfd_open") { clinux_pidfd_open(id) })
            try input.setNonBlocking(true)
            try output.setNonBlocking(true)
        } catch {
            kill(-id, SIGKILL)
            waitpid(id, nil, 0)
            throw error
        }
    }

    deinit { stop() }

    /// Ends the rest of its process group, and waits for the process. The object must not be used afterwards.
    func stop() {
        guard !isReaped else { return }
        isReaped = true
        kill(-id, SIGTERM)
        var wait = [pollfd(fd: exit.raw, events: Int16(POLLIN), revents: 0)]
        _ = try? waitForEvents(&wait, nanoseconds: Self.grace)
        // The group's ID is its leader's, and is not reused before the leader was waited for.
        kill(-id, SIGKILL)
        waitpid(id, nil, 0)
    }
}

/// Both ends of a pipe.
private struct Pipe: ~Copyable {
    private let readEnd: Descriptor
    private let writeEnd: Descriptor

    init() throws(Errno) {
        var ends: [Int32] = [-1, -1]
        try syscall("pipe2") { ends.withUnsafeMutableBufferPointer { $0.baseAddress.map { clinux_pipe($0) } ?? -1 } }
        readEnd = Descriptor(owning: ends[0])
        writeEnd = Descriptor(owning: ends[1])
    }

    var reads: Int32 { readEnd.raw }
    var writes: Int32 { writeEnd.raw }

    /// Returns one end, and closes the other.
    consuming func takeReads() -> Descriptor { readEnd }
    consuming func takeWrites() -> Descriptor { writeEnd }
}
