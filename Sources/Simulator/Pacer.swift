import SerialLine

/// When the bytes of a serial line have left: one per frame time, as long as there are any.
struct Pacer {
    /// When the byte now on the line began; nil while the line is idle.
    private var began: MonotonicTime?

    /// How many of `waiting` bytes have left since this was last asked. To be asked whenever bytes are put into an
    /// empty buffer, and at `deadline`.
    mutating func leave(waiting: Int, frame: UInt64, now: MonotonicTime) -> Int {
        guard waiting > 0 else {
            began = nil
            return 0
        }
        guard let start = began, frame > 0 else {
            began = now
            return frame > 0 ? 0 : waiting
        }
        let gone = Int(clamping: min(now.since(start) / frame, UInt64(waiting)))
        began = gone == waiting ? nil : start + UInt64(gone) * frame
        return gone
    }

    /// When the next byte has left.
    func deadline(frame: UInt64) -> MonotonicTime? { began.map { $0 + frame } }

    /// The line stands still.
    mutating func stop() { began = nil }
}
