import Glibc
import Platform
import SystemPackage

extension Descriptor {
    /// Reads up to `limit` bytes to the start of `buffer`.
    /// - Returns: bytes read, 0 at the end.
    func read(into buffer: inout [UInt8], limit: Int) throws(Errno) -> Int {
        let count = min(limit, buffer.count)
        return try syscall("read") { buffer.withUnsafeMutableBytes { Glibc.read(raw, $0.baseAddress, count) } }
    }

    /// Writes some of `bytes`.
    /// - Returns: bytes written; 0 when none can be now.
    func writeSome(_ bytes: borrowing Span<UInt8>) throws(Errno) -> Int {
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(Errno) in
                try syscall("write") { Glibc.write(raw, bytes.baseAddress, bytes.count) }
            }
        }
        if case .failure(.wouldBlock) = result { return 0 }
        return try result.get()
    }
}
