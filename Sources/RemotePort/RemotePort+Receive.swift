import CLinux
import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

// The receive thread.
extension RemotePort {
    /// Bytes taken from the socket at once.
    private static let bufferSize = 65536

    func receiveLoop() {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 16)
        defer { buffer.deallocate() }
        let scratch = Port.Scratch()
        var served = 0
        while true {
            state.wait { ($0.connections > served && $0.socket != nil) || $0.isStopped }
            let (socket, connections) = state.withLock { ($0.isStopped ? nil : $0.socket, $0.connections) }
            guard let socket else { break }
            served = connections
            receiveAll(from: socket, buffer, scratch)
            state.withLock { $0.isReceiving = false }
            state.wakeAll()
        }
        state.withLock { $0.isReceiving = false }
        state.wakeAll()
    }

    /// Hands on everything from one connection until it ends.
    private func receiveAll(from socket: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ scratch: Port.Scratch) {
        while true {
            let count: Int
            do {
                count = try syscall("recv") { recv(socket, buffer.baseAddress, buffer.count, 0) }
            } catch {
                return port.withTTY { $0.connectionLost("\(error)") }
            }
            if count == 0 { return port.withTTY { $0.connectionLost("the server closed it") } }
            let isFull = port.withTTY(scratch) { tty -> Bool in
                let bytes = UnsafeBufferPointer(
                    start: buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), count: count)
                tty.receive(bytes.span)
                return !tty.wantsToReceive(isPausing: false)
            }
            if isFull { port.waitToReceive { !self.state.withLock { $0.isClosing } } }
        }
    }

    /// Bytes sent and not acknowledged by the peer's kernel (SIOCOUTQ).
    static func unacknowledged(_ socket: Int32) -> Int {
        var count: Int32 = 0
        return clinux_ioctl_pointer(socket, UInt(SIOCOUTQ), &count) == 0 ? Int(count) : 0
    }
}
