import ArgumentParser
import Platform
import PortPlan
import SystemPackage

/// The parsed configuration file.
struct ConfigurationFile {
    static let defaultPath = "/etc/ttynvt-swift/ttynvt-swift.conf"

    let path: String
    let configuration: Configuration
    /// Its errors, each a line that begins with `FILE:LINE: `.
    let faults: [String]
    /// The lines of the file with the errors, in the same order, safe to print.
    let faultyLines: [String]

    /// - Throws: `Failure` if the file cannot be read.
    init(_ path: String) throws {
        self.path = path
        let text: String
        do {
            text = try Self.read(path)
        } catch {
            throw Failure("cannot read \(path): \(error)")
        }
        let (configuration, errors) = ConfigurationParser.parse(text, checkOption: Self.fault)
        self.configuration = configuration
        faults = errors.map { "\(path):\($0)".singleLine }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        faultyLines = errors.map { error in
            lines.indices.contains(error.line - 1) ? String(lines[error.line - 1].prefix(200)).singleLine : ""
        }
    }

    private static func read(_ path: String) throws -> String {
        let bytes: [UInt8]
        do {
            bytes = try FileSystem.contents(of: path)
        } catch .fileTooLarge {
            throw Failure("the file is larger than 1 MiB")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw Failure("the file is not UTF-8") }
        return text
    }

    /// The `port` command's error about an option; nil if the option is valid.
    private static func fault(_ key: String, _ value: String) -> String? {
        if PortOption.flags.contains(key) {
            return value == "yes" || value == "no" ? nil : "\(key) takes yes or no, not '\(value)'"
        }
        do {
            _ = try PortCommand.parse(["-S", "localhost:1", "-n", "ttyCheck", "--\(key)=\(value)"])
            return nil
        } catch {
            // The parser names the option of the command line, but the file has a key.
            return PortCommand.message(for: error).replacing("--\(key)", with: key)
        }
    }
}
