import Glibc
import Logging
import Platform
import SerialLine
import SystemPackage
import Testing

@testable import PortPlan
@testable import Starter
@testable import Supervisor

/// A directory that goes with its test.
private final class Place {
    let path: String

    init() throws {
        var template = Array("/tmp/starter-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw Errno(rawValue: errno) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { remove(path) }

    private func remove(_ path: String) {
        if let directory = opendir(path) {
            while let entry = readdir(directory) {
                let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
                if name != "." && name != ".." { remove("\(path)/\(name)") }
            }
            closedir(directory)
        }
        Glibc.remove(path)
    }

    func write(_ name: String, _ text: String) {
        let file = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        var text = text
        text.withUTF8 { _ = Glibc.write(file, $0.baseAddress, $0.count) }
        close(file)
    }

    /// The permissions of a file or directory in octal, as stat(1) prints them; "" if it does not exist.
    func mode(_ name: String) -> String {
        var status = stat()
        guard lstat("\(path)/\(name)", &status) == 0 else { return "" }
        return String(status.st_mode & 0o7777, radix: 8)
    }

    func text(_ name: String) -> String? { FileSystem.text(of: "\(path)/\(name)") }
}

private func spec(_ port: String) throws -> PortSpec {
    PortSpec(
        name: try DeviceName(port: port), servers: [Endpoint(host: "192.0.2.7", port: 10000)], origin: .configured,
        major: 199, minor: 7, options: [PortOption(key: "mode", value: "0600")])
}

private func line(_ order: StartOrder) -> [UInt8] { order.line.dropLast() }

/// What the starter does to files. Units take a systemd: Tests/System has those.
@Suite struct StarterTests {
    private let place: Place
    private let places: Starter.Places

    init() throws {
        place = try Place()
        var places = Starter.Places()
        places.environment = "\(place.path)/env"
        places.devices = place.path
        places.supervisor = nil
        self.places = places
    }

    private func starter() -> Starter { Starter(places, log: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) }

    @Test func filesAreRootsAlone() throws {
        // As a version before has left it.
        mkdir("\(place.path)/env", 0o755)
        place.write("env/ttyX", "old")
        var starter = starter()
        #expect(starter.carryOut(line(.write(try spec("X")))) == .done(note: ""))
        #expect(place.mode("env") == "700")
        #expect(place.mode("env/ttyX") == "600")
        #expect(place.text("env/ttyX") == (try spec("X")).environment)
        #expect(starter.carryOut(line(.forget(try DeviceName(port: "X")))) == .done(note: ""))
        #expect(place.mode("env/ttyX") == "")
        #expect(starter.carryOut(line(.forget(try DeviceName(port: "X")))) == .done(note: ""))
    }

    /// A link in place of a file is replaced, not followed, although only root can write there.
    @Test func linksAreNotFollowed() throws {
        var starter = starter()
        place.write("precious", "precious")
        mkdir("\(place.path)/env", 0o700)
        symlink("\(place.path)/precious", "\(place.path)/env/ttyX")
        symlink("\(place.path)/precious", "\(place.path)/env/.ttyX")
        #expect(starter.carryOut(line(.write(try spec("X")))) == .done(note: ""))
        #expect(place.text("precious") == "precious")
        #expect(FileSystem.kind(of: "\(place.path)/env/ttyX") == S_IFREG)
    }

    @Test func aDirectoryThatIsALink() throws {
        mkdir("\(place.path)/other", 0o755)
        symlink("other", "\(place.path)/env")
        var starter = starter()
        guard case .refused = starter.carryOut(line(.write(try spec("X")))) else {
            Issue.record("it was carried out")
            return
        }
        #expect(place.mode("other") == "755")
        #expect(place.mode("other/ttyX") == "")
    }

    @Test func whatIsNoOrderChangesNothing() throws {
        var starter = starter()
        for text in ["", "write", "write\0port\0X", "write\0port\0../x\0-S\0h:1", "stop\0port\0X\nstop\0port\0Y"] {
            guard case .refused = starter.carryOut(Array(text.utf8)) else {
                Issue.record("\(text) was carried out")
                continue
            }
        }
        #expect(place.mode("env") == "")
    }

    /// The file is set aside before systemd is asked to start the unit; that call fails in this test.
    @Test func aRegularFileInPlaceOfTheNode() throws {
        var starter = starter()
        place.write("ttyStarterTest", "what a program wrote")
        _ = starter.carryOut(line(.start(try spec("StarterTest"))))
        #expect(place.mode("ttyStarterTest") == "")
        #expect(place.text("ttyStarterTest.saved-file") == "what a program wrote")
        // A saved file is never replaced.
        place.write("ttyStarterTest", "and again")
        let answer = starter.carryOut(line(.start(try spec("StarterTest"))))
        guard case .refused(let why) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(why.contains("ttyStarterTest.saved-file are regular files: remove one of them"))
        #expect(place.text("ttyStarterTest.saved-file") == "what a program wrote")
        #expect(place.text("ttyStarterTest") == "and again")
    }

    @Test func onlyRegularFilesAreSetAside() throws {
        mkdir("\(place.path)/directory", 0o755)
        symlink("directory", "\(place.path)/link")
        mkfifo("\(place.path)/pipe", 0o600)
        for name in ["directory", "link", "pipe", "nothing"] {
            #expect(try FileSystem.setAside("\(place.path)/\(name)") == nil)
            #expect(place.mode(name + ".saved-file") == "")
        }
    }
}

/// Orders through a socket.
@Suite(.serialized) struct StarterClientTests {
    private let place: Place
    private var path: String { "\(place.path)/socket" }

    init() throws { place = try Place() }

    private func listen(backlog: Int32 = 16) throws -> Descriptor {
        let address = try #require(UnixAddress(path))
        let socket = Descriptor(
            owning: try syscall("socket") {
                Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            })
        try syscall("bind") { address.withSockaddr { Glibc.bind(socket.raw, $0, $1) } }
        try syscall("listen") { Glibc.listen(socket.raw, backlog) }
        return socket
    }

    /// Runs a client until it has its answers.
    private func run(_ client: StarterClient) {
        let deadline = MonotonicTime.now + .seconds(20)
        while client.isBusy, .now < deadline {
            var polls = client.polls
            _ = try? waitForEvents(
                &polls, nanoseconds: min(deadline, client.nextDeadline ?? deadline).nanosecondsFromNow)
            client.advance(.now)
        }
        #expect(!client.isBusy)
    }

    /// Serves orders in a thread while `body` runs.
    private func serving(supervisor: uid_t?, _ body: () throws -> Void) throws {
        let raw = try listen().release()
        var places = Starter.Places()
        places.environment = "\(place.path)/env"
        places.supervisor = supervisor
        let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let isDone = Monitor(false)
        let thread = try Thread("starter") { [places] in
            let socket = Descriptor(owning: raw)
            var starter = Starter(places, log: log)
            while !isDone.withLock({ $0 }) { _ = try? starter.serveNext(socket, idle: .milliseconds(20)) }
        }
        defer {
            isDone.withLock { $0 = true }
            thread.join()
        }
        try body()
    }

    @Test func ordersAreCarriedOut() throws {
        try serving(supervisor: geteuid()) {
            let client = StarterClient(path)
            var answers: [Result<String, StarterClient.Fault>] = []
            for index in 0..<50 { client.submit(.write(try spec("X\(index)a"))) { answers.append($0) } }
            run(client)
            #expect(answers == Array(repeating: .success(""), count: 50))
            #expect(place.text("env/ttyX49a") == (try spec("X49a")).environment)
        }
    }

    /// A process of another user sends a well-formed order.
    @Test(.enabled(if: geteuid() == 0)) func aUserThatMayNot() throws {
        let program = """
            import socket, sys
            s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b"forget\\0port\\0X\\n")
            sys.exit(0 if s.recv(100) == b"error not permitted\\n" else 1)
            """
        try serving(supervisor: nil) {
            chmod(path, 0o666)
            chmod(place.path, 0o755)
            let id = try spawn(
                "/usr/bin/setpriv",
                ["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/python3", "-c", program, path], in: .ownGroup)
            var status: Int32 = 0
            waitpid(id, &status, 0)
            #expect(status == 0)
        }
    }

    @Test func nobodyListens() throws {
        let client = StarterClient(path)
        var said = ""
        client.submit(.stop(try DeviceName(port: "X"))) { if case .failure(let fault) = $0 { said = "\(fault)" } }
        #expect(!client.isBusy)
        #expect(said.contains(path) && said.contains("systemctl start ttynvt-starter.socket"))
    }

    /// The supervisor goes on meanwhile; each order has its own time.
    @Test func aStarterThatNeverAnswers() throws {
        let socket = try listen(backlog: 0)
        let client = StarterClient(path, timeout: .milliseconds(100))
        var count = 0
        let began = MonotonicTime.now
        for _ in 0..<5 {
            client.submit(.stop(try DeviceName(port: "X"))) { answer in
                if case .failure(let fault) = answer, "\(fault)".contains("does not answer") { count += 1 }
            }
        }
        #expect(MonotonicTime.now < began + .milliseconds(100))
        run(client)
        #expect(count == 5)
        _ = socket
    }

    @Test func aStarterThatEndsOrTalksNonsense() throws {
        let socket = try listen()
        let raw = socket.release()
        let thread = try Thread("nonsense") {
            let socket = Descriptor(owning: raw)
            for answer in ["", "yes\n", String(repeating: "x", count: 100_000), "ok\nok\n", "error no\n"] {
                let client = accept(socket.raw, nil, nil)
                var buffer = [UInt8](repeating: 0, count: 4096)
                _ = recv(client, &buffer, buffer.count, 0)
                _ = Array(answer.utf8).withUnsafeBytes { send(client, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                close(client)
            }
        }
        let client = StarterClient(path)
        var answers: [String] = []
        for _ in 0..<5 {
            client.submit(.stop(try DeviceName(port: "X"))) { answer in
                switch answer {
                case .success(let note): answers.append("ok" + note)
                case .failure(let fault): answers.append("\(fault)".contains("ended without") ? "ended" : "\(fault)")
                }
            }
        }
        run(client)
        thread.join()
        #expect(answers == ["ended", "ended", "ended", "ok", "no"])
    }
}

/// The lock of the supervisor, and who can hold it.
@Suite struct SupervisorLockTests {
    private let place: Place
    private var path: String { "\(place.path)/run/lock" }

    init() throws { place = try Place() }

    @Test func oneAtATime() throws {
        let first = try SupervisorLock(path)
        #expect(place.mode("run/lock") == "600")
        do {
            _ = try SupervisorLock(path)
            Issue.record("two supervisors")
        } catch { #expect("\(error)" == "another supervisor is running (process \(getpid()))") }
        _ = consume first
        _ = try SupervisorLock(path)
    }

    /// A file that others could open, and hold locked.
    @Test func aLockThatAnybodyHolds() throws {
        mkdir("\(place.path)/run", 0o755)
        place.write("run/lock", "1\n")
        let holder = try Descriptor(opening: path, O_RDONLY)
        #expect(flock(holder.raw, LOCK_EX | LOCK_NB) == 0)
        _ = try SupervisorLock(path)
        #expect(place.mode("run/lock") == "600")
    }

    @Test func aLinkIsNotFollowed() throws {
        mkdir("\(place.path)/run", 0o755)
        place.write("precious", "precious")
        chmod("\(place.path)/precious", 0o600)
        symlink("../precious", path)
        _ = try SupervisorLock(path)
        #expect(place.text("precious") == "precious")
        #expect(FileSystem.kind(of: path) == S_IFREG)
    }
}
