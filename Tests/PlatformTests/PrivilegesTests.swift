import Glibc
import Testing

@testable import Platform

@Suite struct PrivilegesTests {
    private static let file = Array(
        """
        root:x:0:0:root:/root:/bin/bash
        ttynvt-supervisor:x:991:990::/:/usr/sbin/nologin
        broken
        odd:x
        odder:x:many:1::/:
        empty::7::::
        ttynvt:x:992:991:ports:/:/usr/sbin/nologin
        ttynvt:x:1:1::/:
        """.utf8)

    @Test func findsAUserByItsWholeName() {
        #expect(Privileges.userNumber(of: "ttynvt", in: Self.file) == 992)
        #expect(Privileges.userNumber(of: "ttynvt-supervisor", in: Self.file) == 991)
        #expect(Privileges.userNumber(of: "root", in: Self.file) == 0)
        #expect(Privileges.userNumber(of: "empty", in: Self.file) == 7)
    }

    @Test(arguments: ["ttynv", "tynvt", "broken", "odd", "odder", "x", ""]) func findsNoOther(_ name: String) {
        #expect(Privileges.userNumber(of: name, in: Self.file) == nil)
    }

    /// The system's own file, read as the C library reads it.
    @Test func readsTheSystemsFile() throws {
        let file = try FileSystem.contents(of: "/etc/passwd")
        setpwent()
        defer { endpwent() }
        while let entry = getpwent() {
            let name = String(cString: entry.pointee.pw_name)
            #expect(Privileges.userNumber(of: name, in: file) == entry.pointee.pw_uid)
        }
    }
}
