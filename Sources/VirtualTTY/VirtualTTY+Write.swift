import LineDiscipline
import SerialLine
import SystemPackage

// write(2) (n_tty_write, uart_write).
extension VirtualTTY {
    /// A program writes `bytes`.
    package mutating func write(_ id: RequestID, _ file: FileID, _ bytes: borrowing Span<UInt8>, nonBlocking: Bool) {
        beginEvent()
        let reply = Reply(id)
        guard let open = files[file], !open.isDead else { return fail(reply, .ioError) }
        if bytes.count == 0 { return answer(reply, .written(0)) }
        if lent.isLent { return writeToDiscipline(reply, file, bytes) }
        // Only one write(2) at a time may queue bytes (tty_write_lock).
        let taken = requests.has(.write) ? 0 : accept(bytes, from: 0)
        if taken == bytes.count { return answer(reply, .written(taken)) }
        if nonBlocking {
            return answer(reply, taken > 0 ? .written(taken) : .error(.resourceTemporarilyUnavailable))
        }
        var rest: [UInt8] = []
        rest.append(contentsOf: bytes, taken..<bytes.count)
        requests.park(reply, file, ParkedWrite(bytes: rest, before: taken))
    }

    /// Continues parked writes, in order.
    mutating func serveWrites() {
        while let first = requests.first(ParkedWrite.self) {
            var write = first.request
            write.offset += accept(write.bytes.span, from: write.offset)
            guard write.offset == write.bytes.count else {
                return requests.update(first.id) { (parked: inout ParkedWrite) in parked = write }
            }
            answer(requests.take(first.id), .written(write.count))
        }
    }
}
