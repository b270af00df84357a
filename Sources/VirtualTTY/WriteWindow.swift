import SerialLine

/// Limits how far data is sent ahead of the line. The port can neither stop nor reliably flush data in the socket,
/// and every later command stands behind that data. Therefore data is sent when the line is about to need it, as a
/// UART driver fills its chip, and waits in the transmit queue before that.
///
/// Two limits apply: the line clock, and the server's answers. Bytes before an unanswered question count as not sent
/// by the line, whatever the clock says, so questions are placed between the bytes.
struct WriteWindow: Sendable {
    /// The window is the line time of this, plus the round trip, in nanoseconds.
    static let slack: UInt64 = .milliseconds(50)
    /// Smallest window, in bytes: a few times a UART's FIFO.
    static let floor = 512
    /// Most unanswered bytes to an unknown server: a block of a file transfer is sent as a whole.
    static let firstOffer = 2048
    /// Longest line time of `firstOffer`, in nanoseconds: a slow line needs seconds for a block, and a flush cannot
    /// reach bytes in the socket. Also the limit of the offer's growth.
    private static let longestOffer: UInt64 = .seconds(1)
    /// Most unanswered bytes while the clock does not limit output.
    static let unpacedLimit = 65536
    /// More than the largest buffer of any server, in bytes. A server that has taken this much more than the line can
    /// have sent has no line at this rate.
    static let largestServerBuffer = 81920
    /// Shortest line time that says something about the line's speed, in nanoseconds.
    private static let shortestProof: UInt64 = .milliseconds(5)
    /// Number of consecutive late answers that prove a line; a single answer may be late for another reason.
    private static let proofs = 3
    /// Most servers remembered.
    private static let memory = 64

    /// How the server takes data.
    enum Pacing: Equatable, Sendable {
        case unknown
        /// At the line's rate, apart from a buffer: the clock limits output.
        case paced
        /// Faster than a line could: only unanswered bytes are limited.
        case unpaced
    }

    /// The bytes ahead of the line at one moment.
    struct Ahead {
        /// Bytes behind the last answered question.
        var unanswered: Int
        var isAnswerExpected: Bool
        /// The time that the line needs for all bytes ahead of it, by the clock, in nanoseconds.
        var lineTime: UInt64
        /// The time of one byte on the line, in nanoseconds.
        var frame: UInt64

        var bytes: Int { Int(clamping: (lineTime + frame - 1) / frame) }
        /// Bytes that the server has taken, and that the line cannot have sent by the clock.
        var taken: Int { max(0, bytes - unanswered) }
    }

    /// Data is sent as fast as the socket takes it.
    let isUnlimited: Bool
    private(set) var pacing = Pacing.unknown
    private(set) var roundTrip = RoundTrip()
    /// The server has left an expected question unanswered, and has answered none since: only the clock limits
    /// output.
    private(set) var isSilent = false
    private var lateAnswers = 0
    private var lastAnswerAt: MonotonicTime?
    private var waitsSince: MonotonicTime?
    private var hasReportedWait = false
    /// The current server, and the servers known to be unpaced.
    private var server = ""
    private var unpacedServers: Set<String> = []

    init(isUnlimited: Bool = false) { self.isUnlimited = isUnlimited }

    /// A connection begins.
    mutating func begin(server: String) {
        self.server = server
        pacing = unpacedServers.contains(server) ? .unpaced : .unknown
        roundTrip = RoundTrip()
        isSilent = false
        lateAnswers = 0
        lastAnswerAt = nil
        waitsSince = nil
        hasReportedWait = false
    }

    /// Size of the window in bytes.
    func size(frame: UInt64) -> Int { max(Self.floor, Int(clamping: (Self.slack + roundTrip.value) / frame)) }

    /// Smallest number of bytes that is sent alone.
    private func portion(frame: UInt64) -> Int { max(Self.floor, Int(clamping: Self.slack / frame)) / 4 }

    /// Number of bytes that may be sent now. 0 if there would be only a few: the line is not fed byte by byte.
    /// - Parameter isAsked: the server is known to answer questions.
    func room(_ ahead: Ahead, isAsked: Bool) -> Int {
        if isUnlimited { return .max }
        let size = size(frame: ahead.frame)
        let room: Int
        switch isAsked && !isSilent ? pacing : .paced {
        case .paced: room = size - max(ahead.bytes, ahead.isAnswerExpected && !isSilent ? ahead.unanswered : 0)
        case .unknown: room = offer(ahead, size: size) - ahead.unanswered
        case .unpaced: room = max(size, Self.unpacedLimit) - ahead.unanswered
        }
        return room < portion(frame: ahead.frame) ? 0 : room
    }

    /// Most unanswered bytes while the pacing is unknown. It grows with the bytes that the server takes, so that a
    /// server without a line is soon detected.
    private func offer(_ ahead: Ahead, size: Int) -> Int {
        let second = max(Self.floor, Int(clamping: Self.longestOffer / ahead.frame))
        let first = max(size, min(Self.firstOffer, second))
        return max(first, min(first + min(ahead.taken / 4, second), Self.unpacedLimit))
    }

    /// The remaining line time at which more data is sent, in nanoseconds; nil if only an answer allows it.
    func refillLineTime(_ ahead: Ahead, isAsked: Bool) -> UInt64? {
        guard !isUnlimited else { return nil }
        let size = size(frame: ahead.frame)
        let isBlind = !isAsked || isSilent
        guard isBlind || pacing == .paced else { return nil }
        let most = size - portion(frame: ahead.frame)
        if !isBlind && ahead.isAnswerExpected && ahead.unanswered > most { return nil }
        return UInt64(most) &* ahead.frame
    }

    /// Bytes between two questions. Some answers arrive while the line sends the rest.
    func spacing(frame: UInt64) -> Int {
        if pacing == .unpaced { return Self.unpacedLimit / 8 }
        return max(Self.floor / 2, Int(clamping: Self.slack / 2 / frame))
    }

    /// The server has answered a question.
    /// - Parameters:
    ///   - count: bytes that this answer confirms for the first time.
    ///   - ahead: the bytes ahead of the line now.
    mutating func answered(
        _ question: DeliveryLog.Question, count: Int, _ ahead: Ahead, now: MonotonicTime
    ) {
        isSilent = false
        defer { lastAnswerAt = now }
        let took = now.since(question.askedAt)
        let usual = roundTrip.value
        roundTrip.measured(took, lineTime: question.lineTime)
        judge(question, count: count, isDelayed: took > usual + max(.milliseconds(2), usual / 4), now, ahead.frame)
        if pacing == .unknown && ahead.taken > Self.largestServerBuffer { setPacing(.unpaced) }
    }

    /// Judges whether the server took the bytes no faster than the line sends them. An answer proves that only if the
    /// server had more than it could take: if the bytes came without a pause, and their answer is later than the
    /// round trip explains.
    private mutating func judge(
        _ question: DeliveryLog.Question, count: Int, isDelayed: Bool, _ now: MonotonicTime, _ frame: UInt64
    ) {
        guard pacing != .paced else { return }
        let lineTime = UInt64(count) &* frame
        let mostOfIt = lineTime / 10 * 7
        guard lineTime >= Self.shortestProof, question.lineTime >= mostOfIt else { return }
        // By the clock, a part of the bytes was on the line before the question.
        let sentAt = question.askedAt.earlier(lineTime - min(lineTime, question.lineTime))
        let begin = max(lastAnswerAt ?? sentAt, sentAt + roundTrip.value)
        let isLate = isDelayed && now.since(begin) >= mostOfIt
        lateAnswers = isLate ? lateAnswers + 1 : 0
        if lateAnswers >= Self.proofs { setPacing(.paced) }
    }

    private mutating func setPacing(_ new: Pacing) {
        pacing = new
        lateAnswers = 0
        if new == .unpaced {
            if unpacedServers.count >= Self.memory { unpacedServers.removeFirst() }
            unpacedServers.insert(server)
        } else {
            unpacedServers.remove(server)
        }
    }

    /// An expected answer is missing.
    mutating func gaveUp() { isSilent = true }

    /// A wait of this length for the clock alone is logged, in nanoseconds.
    private static let longWait: UInt64 = .seconds(1)

    /// Queued data waits only for the clock.
    /// - Returns: whether it has waited for a long time, for the first time on this connection.
    mutating func waits(_ isWaiting: Bool, _ time: inout EventTime) -> Bool {
        guard isWaiting else {
            waitsSince = nil
            return false
        }
        let since = waitsSince ?? time.now
        waitsSince = since
        guard !hasReportedWait, time.now.since(since) >= Self.longWait else { return false }
        hasReportedWait = true
        return true
    }
}

/// The round trip, measured from answers. The line time of the bytes before a question delays its answer; the rest of
/// the delay is the round trip, or more if the line is slower than its rate, or held.
struct RoundTrip: Sendable {
    private static let window = 8
    /// Limit of growth above the shortest measured round trip, in nanoseconds.
    private static let growth: UInt64 = .milliseconds(100)

    private var shortest: UInt64?
    /// The last measurements, without the line time.
    private var recent: [UInt64] = []
    private var next = 0

    /// In nanoseconds; 0 before the first answer.
    private(set) var value: UInt64 = 0

    /// - Parameters:
    ///   - took: nanoseconds from question to answer.
    ///   - lineTime: line time of the bytes before the question, in nanoseconds.
    mutating func measured(_ took: UInt64, lineTime: UInt64) {
        let least = min(shortest ?? took, took)
        shortest = least
        let excess = took - min(took, lineTime)
        if recent.count < Self.window {
            recent.append(excess)
        } else {
            recent[next] = excess
            next = (next + 1) % Self.window
        }
        let usual = recent.count < Self.window ? 0 : recent.min() ?? 0
        value = max(least, min(usual, least + Self.growth))
    }
}
