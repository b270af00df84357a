import SerialLine

/// A known deviation of a server from RFC 2217, by name. Names of whole servers come first, then single deviations;
/// they can be combined, and the last one wins.
package enum ServerQuirk: String, CaseIterable, Sendable {
    case ser2net
    case ser2net43 = "ser2net-4.3"
    case pyserial
    case espRFC2217Server = "esp-rfc2217-server"
    case igrr
    case espRS = "esp-rs"
    case espLink = "esp-link"
    case sredird
    case moxa
    case mio04
    case noAcks = "no-acks"
    case noBaudAck = "no-baud-ack"
    case noAnswers = "no-answers"
    case noPurgeAck = "no-purge-ack"
    case ignorePurge = "ignore-purge"
    case noMaskAck = "no-mask-ack"
    case noControlAck = "no-control-ack"
    case loseFirstSettings = "lose-first-settings"
    case differentBaud = "different-baud"
    case splitAnswers = "split-answers"
    case noRS485 = "no-rs485"
    case refuseRS485 = "rs485-refuse"
    case raw
    case refuseComPort = "wont-comport"
    case silent
    case banner

    /// The deviation in one line.
    package var summary: String {
        switch self {
        case .ser2net: "failed sets unacked, 111/107 unasked, lines each second"
        case .ser2net43: "as ser2net, but masks answered with 106/107, no 111 unasked"
        case .pyserial: "masks, SIGNATURE, some controls unacked; dies of bad values"
        case .espRFC2217Server: "as pyserial, and DTR and RTS sets unacked"
        case .igrr: "never speaks first; frame not applied; purge acked twice"
        case .espRS: "answers WILL only, dies of WONT and DONT, no notifications"
        case .espLink: "Telnet if it begins with WILL/DO; DO, BRK, NOP are data"
        case .sredird: "DTR and RTS acked with flow; no mark, space, 1.5 stop bits"
        case .moxa: "107 before negotiation, suspend as 8/9, re-answers WILL"
        case .mio04: "deaf in half duplex, no client while it cannot drain"
        case .noAcks: "no set and no purge acked"
        case .noBaudAck: "SET-BAUDRATE unacked"
        case .noAnswers: "negotiates, then says nothing but data"
        case .noPurgeAck: "PURGE-DATA unacked"
        case .ignorePurge: "PURGE-DATA acked, not carried out"
        case .noMaskAck: "both masks unacked"
        case .noControlAck: "SET-CONTROL unacked"
        case .loseFirstSettings: "settings of the first 300 ms are dropped"
        case .differentBaud: "takes the nearest of ten rates, 300 to 115200 baud"
        case .splitAnswers: "each byte of an answer in a segment of its own"
        case .noRS485: "RS485 values unknown"
        case .refuseRS485: "RS485 values answered with off"
        case .raw: "no Telnet: a plain byte stream"
        case .refuseComPort: "Telnet, but COM-PORT-OPTION refused"
        case .silent: "accepts and never says anything"
        case .banner: "a line of text first"
        }
    }

    func apply(to profile: inout ServerProfile) {
        switch self {
        case .ser2net: profile.becomeSer2net()
        case .ser2net43:
            // Measured with version 4.3.11 of Debian 12.
            profile.becomeSer2net()
            profile.repeatsDo = false
            profile.tellsModemMask = false
            profile.answersMasksWithState = true
        case .pyserial: profile.becomePyserial()
        case .espRFC2217Server:
            profile.becomePyserial()
            profile.unansweredControls.formUnion([8, 9, 11, 12])
        case .igrr: profile.becomeIgrr()
        case .espRS: profile.becomeEspRS()
        case .espLink: profile.becomeEspLink()
        case .sredird: profile.becomeSredird()
        case .moxa: profile.becomeMoxa()
        case .mio04:
            profile.isDeafInHalfDuplex = true
            profile.waitsForDrain = true
        case .noAcks: profile.unanswered.formUnion([1, 2, 3, 4, 5, 10, 11, 12])
        case .noBaudAck: profile.unanswered.insert(1)
        case .noAnswers:
            profile.negotiation = .comPortOnly
            profile.unanswered.formUnion(0...12)
        case .noPurgeAck: profile.unanswered.insert(12)
        case .ignorePurge: profile.ignoresPurge = true
        case .noMaskAck: profile.unanswered.formUnion([10, 11])
        case .noControlAck: profile.unanswered.insert(5)
        case .loseFirstSettings: profile.deafNanoseconds = .milliseconds(300)
        case .differentBaud:
            profile.baudRates = [300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115_200]
        case .splitAnswers: profile.segmentSize = 1
        case .noRS485: profile.rs485 = .unknown
        case .refuseRS485: profile.rs485 = .refused
        case .raw: profile.telnet = .never
        case .refuseComPort: profile.refuseComPort()
        case .silent: profile.telnet = .mute
        case .banner: profile.banner = Array("Welcome to the serial console\r\n".utf8)
        }
    }
}

/// Real servers, according to their source code.
extension ServerProfile {
    fileprivate mutating func becomeSer2net() {
        offers = [
            Offer(.will, .suppressGoAhead), Offer(.do, .suppressGoAhead), Offer(.will, .echo), Offer(.dont, .echo),
            Offer(.do, .binary), Offer(.will, .binary), Offer(.do, .comPort),
        ]
        offered.remove(.comPort)
        isActiveAtOnce = true
        answersPolls = false
        repeatsDo = true
        answersFailures = false
        tellsModemMask = true
        reportsAfterMask = true
        maximumPayload = 31
        answerBuffer = 256
        suspendIsFlowNone = true
        modemStateInterval = .seconds(1)
        lineStates = [.parity, .breakDetected]
        dropsBadBytes = true
        rs485 = .unknown
        signature = Array("ser2net".utf8)
    }

    fileprivate mutating func becomePyserial() {
        offers = [Offer(.will, .echo), Offer(.will, .suppressGoAhead), Offer(.do, .binary), Offer(.will, .comPort)]
        unanswered.formUnion([0, 10, 11])
        unansweredControls.formUnion([4, 7, 10] + Array(13...19))
        diesOfBadValues = true
        lineStates = []
        takesBreakCommand = false
        rs485 = .unknown
    }

    fileprivate mutating func becomeIgrr() {
        offers = []
        negotiation = .comPortOnly
        purgeAnswers = 2
        appliesFrame = false
        notifies = false
        unanswered.formUnion([0, 10, 11])
        splitSubnegotiation = .leaks
        takesBreakCommand = false
        rs485 = .unknown
    }

    fileprivate mutating func becomeEspRS() {
        offers = []
        negotiation = .willOnly
        notifies = false
        unanswered.formUnion([10, 11])
        takesBreakCommand = false
        rs485 = .unknown
    }

    fileprivate mutating func becomeEspLink() {
        telnet = .ifClientBegins
        offers = []
        negotiation = .willElseData
        accepted = [.comPort]
        isActiveAtOnce = true
        notifies = false
        unanswered.formUnion(0...12)
        rs485 = .unknown
    }

    fileprivate mutating func becomeSredird() {
        offers = [
            Offer(.will, .binary), Offer(.do, .binary), Offer(.will, .echo), Offer(.will, .suppressGoAhead),
            Offer(.do, .suppressGoAhead), Offer(.do, .comPort),
        ]
        answersLinesWithFlow = true
        hasPlainFramesOnly = true
        rs485 = .unknown
    }

    fileprivate mutating func becomeMoxa() {
        isActiveAtOnce = true
        reportsAtAccept = true
        reanswersWill = true
        sendsSuspend = true
        usesClientCodes = true
        splitSubnegotiation = .isLost
        rs485 = .unknown
    }

    fileprivate mutating func refuseComPort() {
        offers.removeAll { $0.option == .comPort }
        offered.remove(.comPort)
        accepted.remove(.comPort)
        isActiveAtOnce = false
    }
}
