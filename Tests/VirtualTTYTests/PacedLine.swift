import RFC2217
import SerialLine

/// A server whose line takes its time, and the network before it, reckoned byte by byte in the bench's time.
final class PacedLine {
    /// The transmit buffer in bytes. With 0, an answer waits until the bytes before its command are on the line.
    let buffer: Int
    /// Nanoseconds, half of it each way.
    let roundTrip: UInt64
    /// The line's real frame time is this many percent longer than its rate says.
    let slowness: UInt64
    /// PURGE-DATA is answered and not carried out.
    let ignoresPurge: Bool
    private let profile: ServerProfile

    private var server: ComPortServer?
    /// The time at which the server has taken all bytes received until now.
    private var cursor = MonotonicTime(nanoseconds: 0)
    /// When each byte has left the line.
    private(set) var departures: [MonotonicTime] = []
    private(set) var questions = 0

    init(
        buffer: Int, roundTrip: UInt64, slowness: UInt64 = 0, ignoresPurge: Bool = false,
        profile: ServerProfile = ServerProfile()
    ) {
        self.buffer = buffer
        self.roundTrip = roundTrip
        self.slowness = slowness
        self.ignoresPurge = ignoresPurge
        self.profile = profile
    }

    /// The real time of one byte, in nanoseconds.
    var frame: UInt64 { (server?.port.settings.frameNanoseconds ?? 0) * (100 + slowness) / 100 }

    typealias Answer = (at: MonotonicTime, bytes: [UInt8])

    /// A connection begins.
    func accept(_ now: MonotonicTime) -> [Answer] {
        var greeting: [UInt8] = []
        var server = ComPortServer(profile, port: ComPortServer.PortState(), now: now)
        server.open(&greeting)
        self.server = server
        cursor = now
        return [(now + roundTrip / 2, greeting)]
    }

    /// Bytes have gone to the socket.
    func receive(_ bytes: [UInt8], _ now: MonotonicTime) -> [Answer] {
        cursor = max(cursor, now + roundTrip / 2)
        var answers: [Answer] = []
        var output: [UInt8] = []
        var offset = 0
        while let event = server?.next(bytes.span, &offset, now: cursor, &output) {
            switch event {
            case .data(let range): take(range.count)
            case .bytes(let bytes): take(bytes.count)
            case .request(let request): carryOut(request, &output)
            case .modemStateMask: questions += 1
            default: break
            }
            wait()
            if !output.isEmpty { answers.append((cursor + roundTrip / 2, output)) }
            output.removeAll()
        }
        if !output.isEmpty { answers.append((cursor + roundTrip / 2, output)) }
        return answers
    }

    private func take(_ count: Int) {
        for _ in 0..<count {
            if departures.count > buffer { cursor = max(cursor, departures[departures.count - 1 - buffer]) }
            departures.append(max(departures.last ?? cursor, cursor) + frame)
        }
    }

    /// Without a buffer, the line has sent what was taken before anything else is looked at.
    private func wait() { if buffer == 0, let last = departures.last { cursor = max(cursor, last) } }

    private func carryOut(_ request: SerialRequest, _ output: inout [UInt8]) {
        if case .purge(let buffers) = request, buffers != .receive, !ignoresPurge {
            departures.removeLast(departures.count - onLine(cursor))
        }
        server?.port.apply(request)
        server?.answer(request, &output)
    }

    /// Data comes from the line.
    func send(_ data: [UInt8], _ now: MonotonicTime) -> Answer {
        var output: [UInt8] = []
        server?.appendData(data.span, &output)
        return (now + roundTrip / 2, output)
    }

    /// Bytes that have left the line by then.
    func onLine(_ now: MonotonicTime) -> Int {
        var low = 0
        var high = departures.count
        while low < high {
            let middle = (low + high) / 2
            if departures[middle] <= now { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
