import SerialLine

/// How a server of RFC 2217 behaves: the standard, and where servers in the field leave it. `ServerQuirk` names the
/// known ones.
package struct ServerProfile: Sendable {
    /// When the connection speaks Telnet.
    package enum Telnet: Sendable {
        case always
        /// Only if its first bytes are IAC WILL or IAC DO; else every byte is data, for good.
        case ifClientBegins
        /// Every byte is data.
        case never
        /// What comes is thrown away, and nothing is said.
        case mute
    }

    /// How WILL, WONT, DO and DONT are taken.
    package enum Negotiation: Sendable {
        /// RFC 1143.
        case standard
        /// Only COM-PORT-OPTION is answered.
        case comPortOnly
        /// WILL is answered, DO is not, WONT and DONT end the connection.
        case willOnly
        /// WILL is answered; all else goes to the line as data.
        case willElseData
    }

    /// What becomes of a subnegotiation whose end is not in the segment it began in.
    package enum SplitSubnegotiation: Sendable {
        case isJoined
        case isLost
        /// Its first part is taken for data.
        case leaks
    }

    /// Half duplex by a vendor's SET-CONTROL values.
    package enum RS485: Sendable {
        case supported
        /// Answered with the value that says it stays off.
        case refused
        /// No such value is known, so none is answered.
        case unknown
    }

    /// One thing said at accept.
    package struct Offer: Equatable, Sendable {
        package let verb: TelnetVerb
        package let option: TelnetOption

        package init(_ verb: TelnetVerb, _ option: TelnetOption) {
            self.verb = verb
            self.option = option
        }
    }

    package var telnet = Telnet.always
    /// Text sent at accept, before anything else.
    package var banner: [UInt8] = []
    /// Sent at accept.
    package var offers = [
        Offer(.will, .binary), Offer(.do, .binary), Offer(.will, .suppressGoAhead), Offer(.do, .suppressGoAhead),
        Offer(.do, .comPort),
    ]
    package var negotiation = Negotiation.standard
    /// Options answered with WILL, and those answered with DO.
    package var offered: Set<TelnetOption> = [.binary, .echo, .suppressGoAhead, .comPort]
    package var accepted: Set<TelnetOption> = [.binary, .suppressGoAhead, .comPort]
    /// WILL is answered with DO each time, though the option is on (RFC 1143 forbids it).
    package var reanswersWill = false
    /// DO COM-PORT-OPTION is said once more after the client's WILL.
    package var repeatsDo = false
    /// COM-PORT commands count, and are sent, before the option is negotiated.
    package var isActiveAtOnce = false

    /// Codes of commands that are done but not answered.
    package var unanswered: Set<UInt8> = []
    /// Values of SET-CONTROL that are done but not answered.
    package var unansweredControls: Set<UInt8> = []
    /// A setting that failed is answered with what holds; else it is not answered.
    package var answersFailures = true
    /// Data size, parity and stop size are applied, not only answered.
    package var appliesFrame = true
    /// A value outside RFC 2217 ends the connection.
    package var diesOfBadValues = false
    /// Answers to one PURGE-DATA.
    package var purgeAnswers = 1
    /// PURGE-DATA is answered and not carried out.
    package var ignoresPurge = false
    /// SET-CONTROL for DTR and RTS is answered with the flow control that holds.
    package var answersLinesWithFlow = false
    /// Mark and space become none, one and a half stop bits one.
    package var hasPlainFramesOnly = false
    /// Not empty: the only baud rates there are; the nearest is taken.
    package var baudRates: [UInt32] = []
    /// For how long after accept settings are dropped unanswered, in nanoseconds.
    package var deafNanoseconds: UInt64 = 0
    /// The longest subnegotiation payload; more is cut off.
    package var maximumPayload = TelnetDecoder.maximumPayload
    /// Bytes of answers to what came in one read; answers beyond are dropped.
    package var answerBuffer = Int.max
    package var splitSubnegotiation = SplitSubnegotiation.isJoined
    /// FLOWCONTROL-SUSPEND is read as "flow control none", FLOWCONTROL-RESUME as a question for it.
    package var suspendIsFlowNone = false
    /// IAC BRK sends a break.
    package var takesBreakCommand = true

    /// Line states and modem states are reported.
    package var notifies = true
    /// How long a change of the modem lines may wait for its report, in nanoseconds; 0: reported at once.
    package var modemStateInterval: UInt64 = 0
    /// Line states it can report.
    package var lineStates = LineState(rawValue: 0xFF)
    /// A byte whose error is reported is not delivered.
    package var dropsBadBytes = false
    /// SET-MODEMSTATE-MASK's answer comes unasked when the option is on.
    package var tellsModemMask = false
    /// SET-MODEMSTATE-MASK is followed by the current state.
    package var reportsAfterMask = false
    /// Masks are answered with the current state instead.
    package var answersMasksWithState = false
    /// A state is told when asked for by a notification.
    package var answersPolls = true
    /// A modem state is sent at accept.
    package var reportsAtAccept = false
    /// FLOWCONTROL-SUSPEND and -RESUME are sent as the transmit buffer fills and empties.
    package var sendsSuspend = false
    /// SUSPEND, RESUME and SIGNATURE are sent with the client's codes.
    package var usesClientCodes = false
    /// Its answer to SIGNATURE; empty: none.
    package var signature = Array("RFC 2217 simulator".utf8)

    package var rs485 = RS485.supported
    /// SET-CONTROL values that switch RS485 half duplex on and off. No document gives a vendor's numbers: a guess.
    package var rs485On: UInt8 = 20
    package var rs485Off: UInt8 = 21
    /// In half duplex the receiver is off while the port transmits, so it does not hear itself.
    package var isDeafInHalfDuplex = false
    /// No client is taken while bytes of the one before cannot leave the transmit buffer.
    package var waitsForDrain = false
    /// Most bytes per segment; 0: no limit.
    package var segmentSize = 0

    /// A server as RFC 2217 has it.
    package init() {}

    /// The standard, changed by each quirk in turn.
    package init(_ quirks: [ServerQuirk]) {
        for quirk in quirks { quirk.apply(to: &self) }
    }
}
