import SerialLine

/// Calculates when the bytes of a serial line have left: one per frame time, while there are any.
struct Pacer {
    /// Bytes that leave within this time are reported together, in nanoseconds. Without it, a fast line would wake
    /// its thread for each byte.
    private static let grain: UInt64 = .milliseconds(1)

    /// When the current byte began; nil while the line is idle.
    private var began: MonotonicTime?
    /// When the last byte left an idle line; nil if the line has been stopped since.
    private var idleSince: MonotonicTime?
    /// When the last byte left.
    private(set) var lastLeft = MonotonicTime(nanoseconds: 0)

    /// A byte is on the line.
    var isBusy: Bool { began != nil }

    /// Returns how many of `waiting` bytes have left since the last call. Must be called whenever bytes are put into
    /// an empty buffer, and at `deadline`.
    /// - Parameter prompt: the number of bytes that were ready when the line became idle. They follow without a gap
    ///   even if this call is late.
    mutating func leave(waiting: Int, prompt: Int = 0, frame: UInt64, now: MonotonicTime) -> Int {
        guard waiting > 0 else {
            began = nil
            return 0
        }
        var limit = waiting
        if began == nil, prompt > 0, let idleSince {
            began = idleSince
            limit = min(prompt, waiting)
        }
        guard let start = began, frame > 0 else {
            began = now
            lastLeft = now
            return frame > 0 ? 0 : waiting
        }
        let gone = Int(clamping: min(now.since(start) / frame, UInt64(limit)))
        let end = start + UInt64(gone) * frame
        if gone > 0 { lastLeft = end }
        began = gone == waiting ? nil : gone == limit ? now : end
        idleSince = began == nil ? end : nil
        return gone
    }

    /// Number of bytes that an idle line could have sent until now.
    func missed(frame: UInt64, now: MonotonicTime) -> Int {
        guard began == nil, let idleSince, frame > 0 else { return 0 }
        return Int(clamping: now.since(idleSince) / frame)
    }

    /// When the next byte has left, or the next few if more follow.
    func deadline(waiting: Int, frame: UInt64) -> MonotonicTime? {
        let count = max(1, min(UInt64(max(waiting, 0)), frame > 0 ? Self.grain / frame : 1))
        return began.map { $0 + count * frame }
    }

    /// The line is stopped.
    mutating func stop() {
        began = nil
        idleSince = nil
    }
}
