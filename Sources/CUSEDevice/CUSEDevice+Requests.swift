import CCUSE
import Glibc
import Platform
import PortRuntime
import SerialLine
import VirtualTTY

// The kernel's requests, as libfuse delivers them: each is counted, tied to its interrupt, and passed to the port
// under the port's lock. The port answers it now or later.
extension CUSEDevice {
    static var operations: cuse_lowlevel_ops {
        var operations = cuse_lowlevel_ops()
        operations.init_done = { CUSEDevice.from($0)?.ready() }
        operations.open = { request, info in
            guard let info else { return }
            let nonBlocking = ccuse_file_flags(info) & O_NONBLOCK != 0
            handle(request) { device, id, tty in
                let caller = device.caller
                tty.open(id, by: caller.thread, nonBlocking: nonBlocking) { caller.holds(.sysAdmin) }
            }
        }
        operations.release = { request, info in
            guard let info else { return }
            let file = FileID(rawValue: ccuse_file_handle(info))
            handle(request) { device, id, tty in
                device.keep(nil, for: file)
                tty.release(id, file)
            }
        }
        operations.read = { request, size, _, info in
            guard let info else { return }
            let file = FileID(rawValue: ccuse_file_handle(info))
            let nonBlocking = ccuse_file_flags(info) & O_NONBLOCK != 0
            handle(request) { _, id, tty in
                tty.read(id, file, count: size, nonBlocking: nonBlocking)
            }
        }
        operations.write = { request, data, size, _, info in
            guard let info else { return }
            let file = FileID(rawValue: ccuse_file_handle(info))
            let nonBlocking = ccuse_file_flags(info) & O_NONBLOCK != 0
            handle(request) { _, id, tty in
                tty.write(id, file, CUSEDevice.bytes(data, size).span, nonBlocking: nonBlocking)
            }
        }
        operations.ioctl = { request, command, argument, info, flags, data, size, outSize in
            guard let info else { return }
            let file = FileID(rawValue: ccuse_file_handle(info))
            let call = IoctlCall(
                command: UInt32(bitPattern: command), argument: UInt64(UInt(bitPattern: argument)), outSize: outSize,
                isCompat: flags & UInt32(FUSE_IOCTL_COMPAT) != 0)
            handle(request) { device, id, tty in
                let caller = device.caller
                device.ioctlAddress = call.argument
                tty.ioctl(id, file, call, argument: CUSEDevice.bytes(data, size).span) { caller.holds($0) }
            }
        }
        operations.poll = { request, info, pollHandle in
            guard let info else { return }
            let file = FileID(rawValue: ccuse_file_handle(info))
            let events = ccuse_file_poll_events(info)
            handle(request) { device, id, tty in
                if let pollHandle { device.keep(pollHandle, for: file) }
                tty.poll(id, file, events: events, notifies: pollHandle != nil)
            }
        }
        return operations
    }

    private static func from(_ userdata: UnsafeMutableRawPointer?) -> CUSEDevice? {
        // The session's userdata is the device that owns the session, and therefore outlives it.
        userdata.map { Unmanaged<CUSEDevice>.fromOpaque($0).takeUnretainedValue() }
    }

    /// A request's bytes: valid while its callback runs, and only used during that time.
    private static func bytes(_ data: UnsafeRawPointer?, _ size: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: data?.assumingMemoryBound(to: UInt8.self), count: data == nil ? 0 : size)
    }
}

/// Passes one request to the device's port.
private func handle(
    _ request: OpaquePointer?, _ body: (CUSEDevice, RequestID, inout VirtualTTY) -> Void
) {
    guard let request, let userdata = fuse_req_userdata(request) else { return }
    let device = Unmanaged<CUSEDevice>.fromOpaque(userdata).takeUnretainedValue()
    let id = RequestID(rawValue: UInt64(UInt(bitPattern: request)))
    device.caller = Caller(uid: ccuse_caller_uid(request), thread: ccuse_caller_pid(request))
    device.port.withTTY(device.scratch) { tty in
        device.countReceived()
        body(device, id, &tty)
        // Under the lock no other thread can have answered the request: it is alive, and may be tied to its
        // interrupt.
        if tty.isParked(id) { device.watch(request) }
    }
}

extension CUSEDevice {
    /// Notes an interrupt of this request; at once if the interrupt has come already.
    func watch(_ request: OpaquePointer) {
        ccuse_request_on_interrupt(
            request,
            { request, userdata in
                guard let userdata else { return }
                let device = Unmanaged<CUSEDevice>.fromOpaque(userdata).takeUnretainedValue()
                device.interrupted.append(RequestID(rawValue: UInt64(UInt(bitPattern: request))))
            }, Unmanaged.passUnretained(self).toOpaque())
    }
}
