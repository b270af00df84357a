import Glibc
import PortPlan
import SerialLine

/// A port's environment file: its arguments, for systemd, and who may use its node, for udev.
enum EnvironmentFile {
    private static func path(of name: DeviceName) -> String { "\(SystemdLauncher.environment)/\(name)" }

    /// Nothing in it needs quoting: names, addresses and options have been checked for that.
    static func text(_ spec: PortSpec) -> String {
        var text = "TTYNVT_ARGUMENTS=\(spec.arguments.joined(separator: " "))\n"
        for key in ["owner", "group", "mode"] {
            let option = "--\(key)="
            if let value = spec.options.last(where: { $0.hasPrefix(option) })?.dropFirst(option.count) {
                text += "TTYNVT_\(key.uppercased())=\(value)\n"
            }
        }
        return text
    }

    static func write(_ spec: PortSpec) throws(DurableFile.Failure) {
        let text = text(spec)
        if (try? DurableFile.read(path(of: spec.name))) == text { return }
        try DurableFile.makeDirectory(SystemdLauncher.environment)
        try DurableFile.replace(path(of: spec.name), with: text, survivesPowerLoss: false)
    }

    static func remove(_ name: DeviceName) { unlink(path(of: name)) }
}
