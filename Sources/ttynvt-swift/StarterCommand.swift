import ArgumentParser
import Platform
import Starter
import VirtualTTY

/// `ttynvt-swift starter`: carries out the supervisor's orders. systemd starts it, with a socket.
struct StarterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "starter", abstract: "Start and stop the units of ports, for the supervisor.", shouldDisplay: false
    )

    func run() throws {
        do {
            Privileges.gainNoMore()
            let socket = try Starter.inheritedSocket()
            var starter = Starter(log: makeLogger(level: LogLevel.notice.rawValue, toStandardError: false))
            try starter.serve(socket)
        } catch {
            throw Failure("\(error)")
        }
    }
}
