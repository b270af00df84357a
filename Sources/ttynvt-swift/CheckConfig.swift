import ArgumentParser
import PortPlan

/// `ttynvt-swift check-config`: prints the errors in the configuration, line by line.
struct CheckConfig: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-config", abstract: "Check the supervisor's configuration file.")

    @Argument(help: "The file.")
    var file = ConfigurationFile.defaultPath

    func run() throws {
        let file = try ConfigurationFile(file)
        guard file.faults.isEmpty else {
            for (fault, line) in zip(file.faults, file.faultyLines) {
                print(fault)
                print("    | \(line)")
            }
            print("\(file.faults.count) error\(file.faults.count == 1 ? "" : "s")")
            throw ExitCode(1)
        }
        let configuration = file.configuration
        let statics = configuration.sections.filter { !$0.servers.isEmpty }.count
        let types = configuration.types.isEmpty ? "nothing" : configuration.types.joined(separator: ", ")
        print("\(self.file): no errors; looks for \(types); \(statics) configured ports, major \(configuration.major)")
    }
}
