import SerialLine

/// How far data may go ahead of the line. Data in the socket is out of reach: the port cannot stop it, nor be certain to
/// flush it, and every later command stands behind it. So data goes when the line is about to need it, as a uart driver
/// fills its chip, and waits in the transmit queue until then.
///
/// Two things bound it: the line clock, and the answers of the server. Bytes before a question that the server has not
/// answered are not on the line, whatever the clock says; so questions stand between the bytes.
struct WriteWindow: Sendable {
    /// The line has this time to send what is ahead of it, and the round trip, in nanoseconds.
    static let slack: UInt64 = .milliseconds(50)
    /// The window is no smaller, in bytes: a few times a uart's FIFO.
    static let floor = 512
    /// Most bytes without an answer before anything is known of the server: a block of a file transfer goes whole.
    static let firstOffer = 2048
    /// Longest line time of these bytes, in nanoseconds: a slow line needs seconds for a block, and a flush cannot
    /// reach bytes in the socket. The offer to a server that takes more grows by no more than this, either.
    private static let longestOffer: UInt64 = .seconds(1)
    /// Bytes without an answer, at most, while the clock does not rule.
    static let unpacedLimit = 65536
    /// More than the largest buffer that a server has, in bytes: one that takes this above what the line can have sent
    /// has no line at this rate behind it.
    static let largestServerBuffer = 81920
    /// Less than this does not show how fast a line is, in nanoseconds of line time.
    private static let shortestProof: UInt64 = .milliseconds(5)
    /// Late answers in a row that show a line: one alone may be late for other reasons.
    private static let proofs = 3
    /// Servers remembered at most.
    private static let memory = 64

    /// How the server takes data.
    enum Pacing: Equatable, Sendable {
        case unknown
        /// At the line's rate, but for a buffer: the clock rules.
        case paced
        /// Faster than a line can: only bytes without an answer are bounded.
        case unpaced
    }

    /// The bytes ahead of the line at one moment.
    struct Ahead {
        /// Bytes behind the last answered question.
        var unanswered: Int
        var isAnswerExpected: Bool
        /// The time that the line needs for all bytes ahead of it, in nanoseconds, by the clock.
        var lineTime: UInt64
        /// The time of one byte on the line, in nanoseconds.
        var frame: UInt64

        var bytes: Int { Int(clamping: (lineTime + frame - 1) / frame) }
        /// Bytes that the server has taken and that the line, by the clock, cannot have sent.
        var taken: Int { max(0, bytes - unanswered) }
    }

    /// Data goes as fast as the socket takes it.
    let isUnlimited: Bool
    private(set) var pacing = Pacing.unknown
    private(set) var roundTrip = RoundTrip()
    /// The server has left an expected question unanswered, and has answered none since: the clock alone rules.
    private(set) var isSilent = false
    private var lateAnswers = 0
    private var lastAnswerAt: MonotonicTime?
    private var waitsSince: MonotonicTime?
    private var hasToldOfWait = false
    /// The server at hand, and those that were seen to be unpaced.
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
        hasToldOfWait = false
    }

    /// Bytes that may be ahead of the line.
    func size(frame: UInt64) -> Int { max(Self.floor, Int(clamping: (Self.slack + roundTrip.value) / frame)) }

    /// Fewer bytes than this do not go by themselves.
    private func portion(frame: UInt64) -> Int { max(Self.floor, Int(clamping: Self.slack / frame)) / 4 }

    /// How many bytes may go now. None if only few may: a line is not fed byte by byte.
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

    /// Most bytes without an answer while the pacing is unknown. The offer grows with the bytes that the server takes, so
    /// that a server without a line soon shows itself.
    private func offer(_ ahead: Ahead, size: Int) -> Int {
        let second = max(Self.floor, Int(clamping: Self.longestOffer / ahead.frame))
        let first = max(size, min(Self.firstOffer, second))
        return max(first, min(first + min(ahead.taken / 4, second), Self.unpacedLimit))
    }

    /// The time that the line may still need when more data goes, in nanoseconds; nil if only an answer lets it go.
    func refillLineTime(_ ahead: Ahead, isAsked: Bool) -> UInt64? {
        guard !isUnlimited else { return nil }
        let size = size(frame: ahead.frame)
        let isBlind = !isAsked || isSilent
        guard isBlind || pacing == .paced else { return nil }
        let most = size - portion(frame: ahead.frame)
        if !isBlind && ahead.isAnswerExpected && ahead.unanswered > most { return nil }
        return UInt64(most) &* ahead.frame
    }

    /// Bytes between two questions. The answers to some of them come while the line sends the rest.
    func spacing(frame: UInt64) -> Int {
        if pacing == .unpaced { return Self.unpacedLimit / 8 }
        return max(Self.floor / 2, Int(clamping: Self.slack / 2 / frame))
    }

    /// The server has answered.
    /// - Parameters:
    ///   - count: bytes that this answer tells of for the first time.
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

    /// Did the server take the bytes no faster than the line sends them? An answer shows it only if the server had more
    /// than it could take: if the bytes came without a pause, and their answer later than the round trip explains.
    private mutating func judge(
        _ question: DeliveryLog.Question, count: Int, isDelayed: Bool, _ now: MonotonicTime, _ frame: UInt64
    ) {
        guard pacing != .paced else { return }
        let lineTime = UInt64(count) &* frame
        let mostOfIt = lineTime / 10 * 7
        guard lineTime >= Self.shortestProof, question.lineTime >= mostOfIt else { return }
        // A part of them, as the clock has it, was on the line before the question.
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

    /// An expected answer has not come.
    mutating func gaveUp() { isSilent = true }

    /// A wait of this length for the clock alone is worth a word, in nanoseconds.
    private static let longWait: UInt64 = .seconds(1)

    /// Data waits for the clock, and nothing else can let it go.
    /// - Returns: has it waited for long, for the first time on this connection?
    mutating func waits(_ isWaiting: Bool, _ time: inout EventTime) -> Bool {
        guard isWaiting else {
            waitsSince = nil
            return false
        }
        let since = waitsSince ?? time.now
        waitsSince = since
        guard !hasToldOfWait, time.now.since(since) >= Self.longWait else { return false }
        hasToldOfWait = true
        return true
    }
}

/// The round trip, measured from answers. Bytes before a command delay its answer by their time on the line; the rest
/// of the delay is the round trip, and more if the line is slower than its rate says, or held.
struct RoundTrip: Sendable {
    private static let window = 8
    /// The round trip may grow by this above the shortest one seen, in nanoseconds.
    private static let growth: UInt64 = .milliseconds(100)

    private var shortest: UInt64?
    /// The last ones, less the line's time.
    private var recent: [UInt64] = []
    private var next = 0

    /// In nanoseconds; 0 before the first answer.
    private(set) var value: UInt64 = 0

    /// - Parameters:
    ///   - took: nanoseconds from question to answer.
    ///   - lineTime: what the line needed for the bytes before the question, in nanoseconds.
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
