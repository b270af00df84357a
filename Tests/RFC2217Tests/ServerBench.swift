import RFC2217
import SerialLine
import TestSupport

/// A server and a serial port that does all it is told: bytes of a client in, bytes to the client out.
struct ServerBench {
    var server: ComPortServer
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    /// Events found in the client's bytes.
    var events: [ComPortServerEvent] = []
    /// What reached the line.
    var line: [UInt8] = []
    /// Requests that the serial port cannot carry out.
    var impossible: [SerialRequest] = []

    init(_ quirks: ServerQuirk..., port: ComPortServer.PortState = .init()) {
        server = ComPortServer(ServerProfile(quirks), port: port, now: now)
    }

    /// What the server says first.
    mutating func open() -> [UInt8] {
        var output: [UInt8] = []
        server.open(&output)
        return output
    }

    /// Hands one read to the server, carries requests out.
    /// - Returns: the server's answers.
    @discardableResult
    mutating func send(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        var offset = 0
        let span = bytes.span
        while let event = server.next(span, &offset, now: now, &output) {
            events.append(event)
            switch event {
            case .data(let range): line += bytes[range]
            case .bytes(let bytes): line += bytes
            case .request(let request):
                let succeeds = !impossible.contains(request)
                if succeeds { server.port.apply(request) }
                server.answer(request, succeeded: succeeds, &output)
            default: break
            }
        }
        return output
    }

    /// Opens, negotiates COM-PORT-OPTION, and forgets the earlier output.
    mutating func negotiate() {
        _ = open()
        send(will(44))
        send(Telnet.do(44))
        events.removeAll()
        line.removeAll()
    }

    var requests: [SerialRequest] {
        events.compactMap { if case .request(let request) = $0 { request } else { nil } }
    }
}

enum Telnet {
    static func `do`(_ option: UInt8) -> [UInt8] { [255, 253, option] }
}

func will(_ option: UInt8) -> [UInt8] { [255, 251, option] }
func wont(_ option: UInt8) -> [UInt8] { [255, 252, option] }
func dont(_ option: UInt8) -> [UInt8] { [255, 254, option] }

/// IAC SB COM-PORT-OPTION … IAC SE around bytes already escaped.
func comPort(_ payload: UInt8...) -> [UInt8] { [255, 250, 44] + payload + [255, 240] }
