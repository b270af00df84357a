import PortPlan
import Testing

@Suite struct ConfigurationEditTests {
    private func pin(_ text: String) throws -> String {
        try ConfigurationEdit.set([("host", "a.local"), ("interface", "eth0")], ofPort: "m-1", in: text)
    }

    private let section = "[port m-1]\nhost = a.local\ninterface = eth0\n"

    @Test func newSection() throws {
        #expect(try pin("") == section)
        #expect(try pin("# text\n[ports]\nmode = 0660") == "# text\n[ports]\nmode = 0660\n\n" + section)
        #expect(try pin("#[port m-1]\n\n") == "#[port m-1]\n\n" + section)
    }

    @Test func presentSection() throws {
        let text = "[port m-*]\nlinger = 1\n[ port\tm-1 ]\nlinger = 2\n[port z]\nhost = z.local\n"
        #expect(
            try pin(text)
                == "[port m-*]\nlinger = 1\n[ port\tm-1 ]\nhost = a.local\ninterface = eth0\nlinger = 2\n"
                + "[port z]\nhost = z.local\n")
    }

    @Test func twice() throws { #expect(try pin(section) == section) }

    @Test func otherValue() {
        let error = #expect(throws: ConfigurationEdit.Refusal.self) { try pin("[port m-1]\n host=b.local\n") }
        #expect(error?.description == "[port m-1] already sets host = b.local: edit the file")
    }

    /// Lines may end as Windows has them: they stay so, and the section is found among them.
    @Test func carriageReturns() throws {
        #expect(
            try pin("[port m-1]\r\nlinger = 1\r\n") == "[port m-1]\r\nhost = a.local\ninterface = eth0\nlinger = 1\r\n")
        #expect(throws: ConfigurationEdit.Refusal.self) { try pin("[ports]\r\n[port m-1]\r\nhost = b.local\r\n") }
    }
}
