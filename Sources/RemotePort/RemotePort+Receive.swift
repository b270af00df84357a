import Glibc
import Platform
import PortRuntime
import SerialLine
import SystemPackage
import VirtualTTY

// The receive thread.
extension RemotePort {
    /// Bytes received at once.
    private static let bufferSize = 65536

    func receiveLoop() {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 16)
        defer { buffer.deallocate() }
        let scratch = Port.Scratch()
        var served = 0
        while true {
            state.wait { ($0.number > served && $0.socket != nil) || $0.isStopped }
            let (socket, number) = state.withLock { ($0.isStopped ? nil : $0.socket, $0.number) }
            guard let socket else { break }
            served = number
            receiveAll(from: socket, number, buffer, scratch)
            state.withLock { $0.isReceiving = false }
            state.wakeAll()
        }
        state.withLock { $0.isReceiving = false }
        state.wakeAll()
    }

    /// Passes on all bytes of one connection until it ends.
    private func receiveAll(
        from socket: Int32, _ number: Int, _ buffer: UnsafeMutableRawBufferPointer, _ scratch: Port.Scratch
    ) {
        while true {
            let count: Int
            do {
                count = try syscall("recv") { recv(socket, buffer.baseAddress, buffer.count, 0) }
            } catch {
                return port.withTTY { $0.connectionLost(number, "\(error)") }
            }
            if count == 0 { return port.withTTY { $0.connectionClosed(number) } }
            let (isFull, awaitsAnswers) = port.withTTY(scratch) { tty -> (Bool, Bool) in
                let bytes = UnsafeBufferPointer(
                    start: buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), count: count)
                tty.receive(bytes.span, connection: number)
                return (!tty.wantsToReceive(isPausing: false), tty.awaitsAnswers)
            }
            if awaitsAnswers { SocketOptions.acknowledgeAtOnce(socket) }
            if isFull { pause() }
        }
    }

    /// Sleeps until programs have read enough. The transmit thread meanwhile watches the socket for the end of the
    /// connection.
    private func pause() {
        let watches = state.withLock { state -> Bool in
            state.isPaused = !state.hasEnded && !state.isClosing
            return state.isPaused
        }
        guard watches else { return }
        wake.signal()
        port.waitToReceive { self.state.withLock { !$0.isClosing && !$0.hasEnded } }
        state.withLock { $0.isPaused = false }
    }
}
