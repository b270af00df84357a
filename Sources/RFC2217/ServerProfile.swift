import SerialLine

/// How a server of RFC 2217 behaves: the standard, and the deviations of real servers. `ServerQuirk` names the known
/// ones.
package struct ServerProfile: Sendable {
    /// The condition under which the connection speaks Telnet.
    package enum Telnet: Sendable {
        case always
        /// Only if the first bytes are IAC WILL or IAC DO; otherwise every byte is data, permanently.
        case ifClientBegins
        /// Every byte is data.
        case never
        /// Input is dropped, and nothing is sent.
        case mute
    }

    /// The answers to WILL, WONT, DO and DONT.
    package enum Negotiation: Sendable {
        /// RFC 1143.
        case standard
        /// Only COM-PORT-OPTION is answered.
        case comPortOnly
        /// WILL is answered, DO is ignored, WONT and DONT end the connection.
        case willOnly
        /// WILL is answered; everything else is sent to the line as data.
        case willElseData
    }

    /// The handling of a subnegotiation that does not end in the segment in which it began.
    package enum SplitSubnegotiation: Sendable {
        case isJoined
        case isLost
        /// Its first part is treated as data.
        case leaks
    }

    /// Half duplex by a vendor's SET-CONTROL values.
    package enum RS485: Sendable {
        case supported
        /// Answered with the value that means off.
        case refused
        /// The values are unknown, and so not answered.
        case unknown
    }

    /// One message sent at accept.
    package struct Offer: Equatable, Sendable {
        package let verb: TelnetVerb
        package let option: TelnetOption

        package init(_ verb: TelnetVerb, _ option: TelnetOption) {
            self.verb = verb
            self.option = option
        }
    }

    package var telnet = Telnet.always
    /// Text sent at accept, before all messages.
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
    /// DO COM-PORT-OPTION is sent once more after the client's WILL.
    package var repeatsDo = false
    /// COM-PORT commands are accepted, and sent, before the option is negotiated.
    package var isActiveAtOnce = false

    /// Codes of commands that are carried out but not answered.
    package var unanswered: Set<UInt8> = []
    /// Values of SET-CONTROL that are carried out but not answered.
    package var unansweredControls: Set<UInt8> = []
    /// A failed setting is answered with the current value; otherwise it is not answered.
    package var answersFailures = true
    /// Data size, parity and stop size are applied, not only answered.
    package var appliesFrame = true
    /// A value outside RFC 2217 ends the connection.
    package var diesOfBadValues = false
    /// Answers to one PURGE-DATA.
    package var purgeAnswers = 1
    /// PURGE-DATA is answered and not carried out.
    package var ignoresPurge = false
    /// SET-CONTROL for DTR and RTS is answered with the current flow control.
    package var answersLinesWithFlow = false
    /// Mark and space parity become none, one and a half stop bits become one.
    package var hasPlainFramesOnly = false
    /// The only supported baud rates, of which the nearest is used; empty: all.
    package var baudRates: [UInt32] = []
    /// Time after accept in which settings are dropped without an answer, in nanoseconds.
    package var deafNanoseconds: UInt64 = 0
    /// The longest subnegotiation payload; more is cut off.
    package var maximumPayload = TelnetDecoder.maximumPayload
    /// Most bytes of answers to the data of one read; further answers are dropped.
    package var answerBuffer = Int.max
    package var splitSubnegotiation = SplitSubnegotiation.isJoined
    /// FLOWCONTROL-SUSPEND is treated as "flow control none", FLOWCONTROL-RESUME as a query for it.
    package var suspendIsFlowNone = false
    /// IAC BRK sends a break.
    package var takesBreakCommand = true

    /// Line states and modem states are reported.
    package var notifies = true
    /// How long a change of the modem lines may wait for its report, in nanoseconds; 0: reported at once.
    package var modemStateInterval: UInt64 = 0
    /// Line states that the server can report.
    package var lineStates = LineState(rawValue: 0xFF)
    /// A byte whose error is reported is not delivered.
    package var dropsBadBytes = false
    /// SET-MODEMSTATE-MASK's answer is sent unasked when the option is on.
    package var tellsModemMask = false
    /// SET-MODEMSTATE-MASK is followed by the current state.
    package var reportsAfterMask = false
    /// Masks are answered with the current state, not with the mask.
    package var answersMasksWithState = false
    /// A notification without a value is answered with the state.
    package var answersPolls = true
    /// A modem state is sent at accept.
    package var reportsAtAccept = false
    /// FLOWCONTROL-SUSPEND and -RESUME are sent as the transmit buffer fills and empties.
    package var sendsSuspend = false
    /// SUSPEND, RESUME and SIGNATURE are sent with the client's codes.
    package var usesClientCodes = false
    /// The answer to SIGNATURE; empty: no answer.
    package var signature = Array("RFC 2217 simulator".utf8)

    package var rs485 = RS485.supported
    /// SET-CONTROL values that switch RS485 half duplex on and off. No document contains a vendor's values: these are
    /// assumed.
    package var rs485On: UInt8 = 20
    package var rs485Off: UInt8 = 21
    /// In half duplex the receiver is off while the port transmits, so the port does not receive its own bytes.
    package var isDeafInHalfDuplex = false
    /// No client is accepted while bytes of the client before it are in the transmit buffer.
    package var waitsForDrain = false
    /// Most bytes per segment; 0: no limit.
    package var segmentSize = 0

    /// A server as RFC 2217 defines it.
    package init() {}

    /// The standard, changed by each quirk in turn.
    package init(_ quirks: [ServerQuirk]) {
        for quirk in quirks { quirk.apply(to: &self) }
    }
}
