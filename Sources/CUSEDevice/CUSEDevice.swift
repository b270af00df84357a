import CCUSE
import Glibc
import Platform
import PortRuntime
import SerialLine
import Synchronization
import SystemPackage
import VirtualTTY

/// One character device, served by a `Port`.
///
/// Concurrency model: the session's loop and all of libfuse's callbacks run in the one thread that calls `run`;
/// answers and notifications come from any of the port's threads, and libfuse makes them whole. Each shared member
/// below names the threads that use it.
package final class CUSEDevice: KernelSide, @unchecked Sendable {
    let port: Port
    /// Valid from init to deinit; libfuse has its own lock for it.
    private var session: OpaquePointer?
    /// Requests that were interrupted while the current message was handled; only the loop's thread uses this.
    var interrupted: [RequestID] = []
    /// The latest poll handle of each file that waits to be notified.
    private let pollHandles = Monitor<[FileID: OpaquePointer]>([:])
    /// Called in the loop's thread once the kernel has accepted or refused the device.
    private var whenReady: (() -> Void)?
    /// The caller of the current request; only the loop's thread uses this.
    var caller = Caller(uid: 0, thread: 0)
    private let isStopping = Atomic(false)
    /// Only the loop's thread uses this.
    let scratch = Port.Scratch()
    /// Requests received and answered: equal if no request is parked.
    private let received = Atomic(0)
    private let answered = Atomic(0)

    /// Creates the session of a device; the kernel creates the device when `run` begins.
    /// - Parameters:
    ///   - channel: an open /dev/cuse, or a socket on which a test plays the kernel.
    ///   - major: 0 lets the kernel choose.
    package init(
        name: DeviceName, major: UInt32, minor: UInt32, channel: consuming Descriptor, port: Port
    ) throws(DeviceError) {
        self.port = port
        let descriptor = channel.release()
        var operations = Self.operations
        session = ccuse_session_new(
            name.description, major, minor, &operations, Unmanaged.passUnretained(self).toOpaque())
        guard let session else {
            close(descriptor)
            throw .library("cannot create a CUSE session for '\(name)'")
        }
        guard ccuse_session_attach(session, descriptor) == 0 else {
            close(descriptor)
            throw .library("cannot attach /dev/cuse")
        }
    }

    deinit {
        for handle in pollHandles.withLock({ $0 }).values { fuse_pollhandle_destroy(handle) }
        if let session { fuse_session_destroy(session) }
    }

    /// Opens the kernel's end of a new device.
    package static func openChannel() throws(DeviceError) -> Descriptor {
        let channel: Descriptor
        do {
            channel = try Descriptor(opening: "/dev/cuse", O_RDWR)
        } catch .noSuchFileOrDirectory, .noSuchAddressOrDevice, .operationNotSupportedByDevice {
            throw .noCUSE
        } catch .permissionDenied, .notPermitted {
            throw .notPermitted
        } catch {
            throw .cannotOpen(error)
        }
        guard DeviceNode.isCUSE(channel.raw) else { throw .notCUSE }
        return channel
    }

    /// Serves requests until the kernel ends the session, or `stop` is called.
    /// - Parameter whenReady: called once, when the kernel has accepted or refused the device.
    package func run(whenReady: @escaping () -> Void) {
        guard let session else { return }
        self.whenReady = whenReady
        var buffer = fuse_buf()
        defer { free(buffer.mem) }
        while !isStopping.load(ordering: .relaxed) {
            let count = fuse_session_receive_buf(session, &buffer)
            if count == -EINTR || count == -EAGAIN { continue }
            guard count > 0 else { return }
            fuse_session_process_buf(session, &buffer)
            passInterrupts()
        }
    }

    /// Ends `run`. The caller is another thread, which then interrupts the loop's thread with a signal until it has
    /// returned.
    package func stop() { isStopping.store(true, ordering: .relaxed) }

    func ready() {
        whenReady?()
        whenReady = nil
    }

    /// Passes interrupts on after the message that they came with: libfuse holds the request's lock while it reports
    /// one, and an answer there would free the request under the lock.
    private func passInterrupts() {
        guard !interrupted.isEmpty else { return }
        for id in interrupted { port.withTTY(scratch) { $0.interrupt(id) } }
        interrupted.removeAll(keepingCapacity: true)
    }

    package var receivedCount: Int { received.load(ordering: .relaxed) }
    package var answeredCount: Int { answered.load(ordering: .relaxed) }

    func countReceived() { received.add(1, ordering: .relaxed) }

    // Answers.

    package func answer(_ id: RequestID, _ answer: Answer, bytes: borrowing Span<UInt8>) {
        answered.add(1, ordering: .relaxed)
        guard let request = OpaquePointer(bitPattern: UInt(id.rawValue)) else { return }
        // A reply fails only if the kernel has forgotten the request; then no program waits for it.
        switch answer {
        case .error(let error): fuse_reply_err(request, error.rawValue)
        case .opened(let file): replyOpened(request, file)
        case .done: fuse_reply_err(request, 0)
        case .data(let range):
            bytes.extracting(range).withUnsafeBytes { _ = fuse_reply_buf(request, $0.baseAddress, $0.count) }
        case .written(let count): fuse_reply_write(request, count)
        case .ioctl(let range):
            bytes.extracting(range).withUnsafeBytes { _ = fuse_reply_ioctl(request, 0, $0.baseAddress, $0.count) }
        case .ioctlRetry(let copyIn, let copyOut):
            ccuse_reply_ioctl_retry(request, ioctlAddress, copyIn, copyOut)
        case .poll(let events): fuse_reply_poll(request, events)
        }
    }

    private func replyOpened(_ request: OpaquePointer, _ file: FileID) {
        var info = fuse_file_info()
        ccuse_file_set_handle(&info, file.rawValue)
        fuse_reply_open(request, &info)
    }

    /// Address of the ioctl's argument in the caller's memory. A retry is always answered inside the callback that
    /// asked, so only the loop's thread uses this.
    var ioctlAddress: UInt64 = 0

    package func notifyPoll(_ file: FileID) {
        // One notification for each handle: removed first, so that no lock is held while pollers wake.
        guard let handle = pollHandles.withLock({ $0.removeValue(forKey: file) }) else { return }
        fuse_lowlevel_notify_poll(handle)
        fuse_pollhandle_destroy(handle)
    }

    /// Keeps the latest handle of a file's pollers; nil drops it.
    func keep(_ handle: OpaquePointer?, for file: FileID) {
        let old = pollHandles.withLock { handles -> OpaquePointer? in
            defer { handles[file] = handle }
            return handles[file]
        }
        if let old { fuse_pollhandle_destroy(old) }
    }
}
