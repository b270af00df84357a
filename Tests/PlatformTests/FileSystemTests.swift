import Glibc
import Platform
import SystemPackage
import Testing

@Suite struct FileSystemTests {
    @Test func readsSmallFilesWhole() throws {
        #expect(try FileSystem.contents(of: "/proc/self/stat").isEmpty == false)
        #expect(FileSystem.text(of: "/proc/self/comm")?.hasSuffix("\n") == true)
        #expect(FileSystem.text(of: "/nowhere") == nil)
        #expect(throws: Errno.noSuchFileOrDirectory) { try FileSystem.contents(of: "/nowhere") }
    }

    @Test func endlessFilesAreTooLarge() {
        #expect(throws: Errno.fileTooLarge) { try FileSystem.contents(of: "/dev/zero") }
    }

    @Test func linksAreNotFollowed() {
        #expect(FileSystem.kind(of: "/proc/self") == S_IFLNK)
        #expect(FileSystem.kind(of: "/proc") == S_IFDIR)
        #expect(FileSystem.target(ofLink: "/proc/self") == "\(getpid())")
        #expect(FileSystem.target(ofLink: "/proc") == nil)
        #expect(FileSystem.exists("/dev/null") && !FileSystem.exists("/dev/nowhere"))
    }
}
