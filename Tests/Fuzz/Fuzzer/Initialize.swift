import FuzzTargets
import Synchronization

/// The target that the program's own name names: each has a link to it.
let chosen = Mutex<FuzzTarget?>(nil)

/// libFuzzer calls it once, with the program's arguments.
@_cdecl("LLVMFuzzerInitialize")
func initialize(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
    let path = arguments.pointee.pointee.map { String(cString: $0) } ?? ""
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
        fatalError("no target has the name '\(name)': there are \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
    }
    chosen.withLock { $0 = target }
    return 0
}
