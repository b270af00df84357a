import FuzzTargets
import Synchronization

/// libFuzzer calls it with each input. A violation ends the program, and libFuzzer keeps the input.
@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    if let violation = chosen.withLock({ $0 })?.violation(input) { fatalError(violation) }
    return 0
}
