import Glibc
import Platform
import SystemPackage
import Testing

/// The kernel is played: each call's outcome is the next of a list, a negative one an errno.
private struct Kernel {
    var outcomes: [Int32]
    private(set) var calls = 0

    init(_ outcomes: [Int32]) { self.outcomes = outcomes }

    mutating func call() -> Int32 {
        calls += 1
        let outcome = outcomes.removeFirst()
        guard outcome < 0 else { return outcome }
        errno = -outcome
        return -1
    }
}

@Suite struct SyscallTests {
    @Test(arguments: [0, 1, 77] as [Int32]) func success(_ result: Int32) throws {
        var kernel = Kernel([result])
        #expect(try syscall { kernel.call() } == result)
        #expect(kernel.calls == 1)
    }

    /// Only -1 is failure: an address or a result below it is as good as any.
    @Test func otherNegatives() throws {
        #expect(try syscall { Int32(-2) } == -2)
        #expect(try syscall { Int.min } == Int.min)
    }

    @Test func againAfterEINTR() throws {
        var kernel = Kernel([-EINTR, -EINTR, -EINTR, 5])
        #expect(try syscall { kernel.call() } == 5)
        #expect(kernel.calls == 4)
    }

    @Test func failureAfterEINTR() {
        var kernel = Kernel([-EINTR, -EIO])
        #expect(throws: Errno.ioError) { try syscall { kernel.call() } }
        #expect(kernel.calls == 2)
    }

    /// EAGAIN is the caller's to wait on: not asked again here.
    @Test(arguments: [EAGAIN, EPIPE, ENOENT, ENOSPC, ECONNREFUSED]) func failure(_ code: Int32) {
        var kernel = Kernel([-code, 1])
        #expect(throws: Errno(rawValue: code)) { try syscall { kernel.call() } }
        #expect(kernel.calls == 1)
    }

    @Test(arguments: [EBADF, EFAULT]) func errorsOfTheProgramStopIt(_ code: Int32) async {
        await #expect(processExitsWith: .failure) { [code] in
            var kernel = Kernel([-code])
            _ = try? syscall { kernel.call() }
        }
    }

    @Test func errnoIsTaken() {
        #expect(throws: Errno.noSuchFileOrDirectory) {
            _ = try Descriptor(opening: "/nonexistent/file", O_RDONLY)
        }
    }
}
