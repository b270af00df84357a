import Glibc
import Platform
import SerialLine
import Testing

@Suite struct ResolveTests {
    @Test func ipv4() throws {
        let addresses = try Endpoint(host: "127.0.0.1", port: 2217).resolve()
        #expect(addresses.map(\.description) == ["127.0.0.1:2217"])
        #expect(addresses.map(\.family) == [AF_INET])
    }

    @Test func ipv6() throws {
        let addresses = try Endpoint(host: "::1", port: 65_535).resolve()
        #expect(addresses.map(\.description) == ["[::1]:65535"])
        #expect(addresses.map(\.family) == [AF_INET6])
    }

    /// Which of its two addresses come, and in what order, is the machine's to say.
    @Test func localhost() throws {
        let addresses = try Endpoint(host: "localhost", port: 80).resolve()
        #expect(!addresses.isEmpty)
        #expect(addresses.allSatisfy { ["127.0.0.1:80", "[::1]:80"].contains($0.description) })
    }

    @Test func passive() throws {
        let addresses = try Endpoint(host: "0.0.0.0", port: 80).resolve(passive: true)
        #expect(addresses.map(\.description) == ["0.0.0.0:80"])
    }

    /// `.invalid` is no one's (RFC 6761), with a network and without.
    @Test func noSuchName() {
        let error = #expect(throws: ResolveError.self) {
            try Endpoint(host: "no-such-host.invalid", port: 80).resolve()
        }
        #expect(error?.host == "no-such-host.invalid")
        #expect(error?.reason.isEmpty == false)
        #expect(error?.description.contains("'no-such-host.invalid'") == true)
    }

    /// The address as the socket calls want it: its length is its family's.
    @Test func sockaddr() throws {
        for (host, length) in [("127.0.0.1", MemoryLayout<sockaddr_in>.size), ("::1", MemoryLayout<sockaddr_in6>.size)]
        {
            let address = try #require(try Endpoint(host: host, port: 80).resolve().first)
            address.withSockaddr { pointer, count in
                #expect(Int(count) == length)
                #expect(Int32(pointer.pointee.sa_family) == address.family)
            }
        }
    }
}
