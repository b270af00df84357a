import Discovery
import Testing

struct TXTRecordTests {
    private func record(_ strings: String...) -> TXTRecord { TXTRecord(strings.map { Array($0.utf8) }) }

    @Test func whatATtynvtServerSays() {
        let record = record("funcclass=ttynvt", "security=no", "auxport=not_avail-0", "auxschema=not_avail")
        #expect(record.functionClass == "ttynvt")
        #expect(record.security == "no")
        #expect(record.auxiliaryPort == "not_avail-0")
        #expect(record.auxiliaryScheme == "not_avail")
        #expect(record.gensioStack == nil)
    }

    @Test func keysRegardlessOfCaseAndTheFirstCounts() {
        let record = record("FuncClass=one", "funcclass=two", "gensiostack=telnet(rfc2217),tcp")
        #expect(record.functionClass == "one")
        #expect(record.entries.count == 2)
        #expect(record.gensioStack == "telnet(rfc2217),tcp")
    }

    @Test func keysWithoutValuesAndEmptyValues() {
        let record = record("flag", "empty=", "more==x=y")
        #expect(record.entries.map(\.key) == ["flag", "empty", "more"])
        #expect(record["flag"] == nil)
        #expect(record["empty"] == "")
        #expect(record["more"] == "=x=y")
    }

    @Test func whatHasNoKeyIsPassedOver() {
        #expect(record("", "=", "=value", "a\u{1B}b=x", "ä=x", "\n=x").entries.isEmpty)
    }

    @Test func valuesOfAnyBytes() {
        let record = TXTRecord([[UInt8(ascii: "k"), UInt8(ascii: "="), 0xFF, 0, 0x1B]])
        #expect(record.entries.first?.value == [0xFF, 0, 0x1B])
        #expect(record["k"] == "\u{FFFD}\0\u{1B}")
    }

    @Test func itIsBounded() {
        let many = TXTRecord((0..<1000).map { Array("key\($0)=x".utf8) })
        #expect(many.entries.count == TXTRecord.mostEntries)
        let long = TXTRecord([Array(("k=" + String(repeating: "x", count: 254)).utf8), Array("a=b".utf8)])
        #expect(long.entries.map(\.key) == ["a"])
    }
}
