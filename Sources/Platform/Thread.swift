import CLinux
import Glibc
import SystemPackage

/// A POSIX thread that runs until its body returns.
package struct Thread: Sendable {
    private let handle: pthread_t

    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// Starts a thread.
    /// - Parameters:
    ///   - name: the name in `ps -L`; at most 15 bytes are used.
    ///   - stackSize: in bytes.
    package init(_ name: String, stackSize: Int = 256 * 1024, _ run: @escaping @Sendable () -> Void) throws(Errno) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackSize)
        let body = Unmanaged.passRetained(
            Body {
                clinux_name_thread(name)
                run()
            })
        var handle = pthread_t()
        let error = pthread_create(
            &handle, &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, body.toOpaque())
        guard error == 0 else {
            body.release()
            throw Errno(rawValue: error)
        }
        self.handle = handle
    }

    /// Waits until the thread has ended. May be called once.
    package func join() { pthread_join(handle, nil) }
}
