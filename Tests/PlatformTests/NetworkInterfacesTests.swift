import Platform
import Testing

@Suite struct NetworkInterfacesTests {
    /// Every machine has a loopback interface.
    @Test func loopback() throws {
        let addresses = try InterfaceAddress.all()
        #expect(addresses.contains(InterfaceAddress(interface: "lo", bytes: [127, 0, 0, 1], prefixLength: 8)))
        #expect(addresses.allSatisfy { [4, 16].contains($0.bytes.count) && $0.prefixLength <= $0.bytes.count * 8 })
    }
}
