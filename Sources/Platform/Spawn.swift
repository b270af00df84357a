import CLinux
import Glibc
import SystemPackage

/// The process group or session of a new process.
package enum ProcessGroup {
    /// A process group of its own: a signal to the group reaches the process and its children.
    case ownGroup
    /// A session of its own: a terminal's signals do not reach the process, and it survives its parent.
    case ownSession
}

/// Starts a program with no signal blocked or ignored. It inherits only the first three descriptors.
/// - Parameters:
///   - program: its path.
///   - words: its arguments, beginning with its name.
///   - input: its standard input; nil for /dev/null.
///   - output: its standard output; nil for this process's.
/// - Returns: its process ID; the caller must wait for it.
package func spawn(
    _ program: String, _ words: [String], input: Int32? = nil, output: Int32? = nil, in group: ProcessGroup
) throws(Errno) -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    if let input {
        posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
    } else {
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    }
    if let output { posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO) }

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    var all = sigset_t()
    sigemptyset(&none)
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
    switch group {
    case .ownGroup:
        posix_spawnattr_setpgroup(&attributes, 0)
        flags |= POSIX_SPAWN_SETPGROUP
    case .ownSession: flags |= setSession
    }
    posix_spawnattr_setflags(&attributes, Int16(flags))

    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var id = pid_t()
    let error = posix_spawn(&id, program, &actions, &attributes, &arguments, clinux_environment())
    guard error == 0 else { throw Errno(rawValue: error) }
    return id
}

/// <spawn.h>'s POSIX_SPAWN_SETSID, which is behind _GNU_SOURCE.
private let setSession: Int32 = 0x80
