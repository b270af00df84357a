import Glibc
import Platform
import SerialLine
import SystemPackage
import Testing

@testable import Supervisor

@Suite struct ProcessWatchTests {
    private let a: DeviceName
    private let b: DeviceName

    init() throws {
        a = try DeviceName("ttyXa")
        b = try DeviceName("ttyXb")
    }

    @Test func aShortageIsNoEnd() {
        let watch = Watch(most: 1)
        #expect(watch.watch(a, getpid()) == .watched)
        #expect(watch.watch(b, getppid()) == .shortage(.tooManyOpenFiles))
        #expect(watch.isWatched(a) && !watch.isWatched(b))
        watch.forget(a)
        #expect(watch.watch(b, getppid()) == .watched)
    }

    @Test func anEndIsOne() throws {
        let id = try spawn("/bin/true", ["true"], in: .ownGroup)
        waitpid(id, nil, 0)
        let watch = Watch()
        #expect(watch.watch(a, id) == .gone)
        #expect(watch.watch(a, 0) == .gone && watch.watch(a, -5) == .gone, "no process's number")
        #expect(!watch.isWatched(a))
    }

    @Test func descriptorsAreKeptForQuestions() {
        #expect(DescriptorBudget(limit: 20).inquiries == 2)
        #expect(DescriptorBudget(limit: 20).watches == 0)
        let usual = DescriptorBudget(limit: 1024)
        #expect(usual.inquiries == 64 && usual.watches == 1024 - 64 - 24)
        #expect(DescriptorBudget(limit: .max).watches > 1 << 20)
    }
}

/// A watch as an object: expectations may change it.
private final class Watch {
    private var processes: ProcessWatch

    init(most: Int = .max) { processes = ProcessWatch(most: most) }

    func watch(_ name: DeviceName, _ id: pid_t) -> ProcessWatch.Outcome { processes.watch(name, id) }
    func isWatched(_ name: DeviceName) -> Bool { processes.isWatched(name) }
    func forget(_ name: DeviceName) { processes.forget(name) }
}
