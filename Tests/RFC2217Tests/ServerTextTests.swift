import RFC2217
import Testing

/// The text of servers that do not agree to COM-PORT-OPTION.
@Suite struct ServerTextTests {
    @Test(arguments: [
        ("HTTP/1.1 400 Bad Request\r\n", ServerText.Meaning.http), ("<!DOCTYPE html><HTML>", .http),
        ("SSH-2.0-OpenSSH_9.2p1 Debian\r\n", .ssh), ("Port already in use\r\n", .portInUse),
        ("Device open failure: Object was already in use\r\n", .portInUse),
        ("port is in use by 10.0.0.1:5\r\n", .portInUse),
        ("Device open failure: No such file or directory\r\n", .unknown), ("login: ", .unknown), ("", .unknown),
    ])
    func itsMeaning(_ text: String, _ meaning: ServerText.Meaning) {
        #expect(ServerText(Array(text.utf8)).meaning == meaning)
    }

    @Test func whatAPersonReads() {
        let http = ServerText(Array("HTTP/1.1 400\r\n".utf8))
        #expect(
            http.diagnosis("no answer", hasClosed: true)
                == #"does not speak RFC 2217: it is an HTTP server; it sent "HTTP/1.1 400\x0d\x0a""#)
        let used = ServerText(Array("Port already in use".utf8))
        #expect(
            used.diagnosis("no answer", hasClosed: true)
                == #"accepted the connection, then closed it; it sent "Port already in use""#)
        #expect(
            ServerText([]).diagnosis("no answer to COM-PORT-OPTION", hasClosed: false)
                == "does not speak RFC 2217: no answer to COM-PORT-OPTION; it sent no text")
    }

    /// Any bytes: one line of printable ASCII, of bounded length.
    @Test func hostileText() {
        for byte in 0...255 as ClosedRange<UInt8> {
            let text = ServerText([UInt8](repeating: byte, count: 64)).diagnosis("x", hasClosed: true)
            #expect(text.utf8.count < 200 && text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F || $0 >= 0x80 })
        }
    }
}
