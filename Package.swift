// swift-tools-version: 6.2
import PackageDescription

let common: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// Targets that do no I/O: also checked for every use of an unsafe construct.
let pure: [SwiftSetting] = common + [.strictMemorySafety()]

let strictC: [CSetting] = [
    .treatAllWarnings(as: .error), .enableWarning("all"), .enableWarning("extra"),
]

/// Errno, the kernel's error numbers, as a type.
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "ttynvt-swift",
    products: [.executable(name: "ttynvt-swift", targets: ["ttynvt-swift"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.6.0"),
    ],
    targets: [
        // Pure: no I/O, time is an argument.
        .target(name: "SerialLine", swiftSettings: pure),
        .target(name: "RFC2217", dependencies: ["SerialLine"], swiftSettings: pure),
        .target(name: "LineDiscipline", dependencies: ["SerialLine"], swiftSettings: pure),
        .target(
            name: "VirtualTTY", dependencies: ["SerialLine", "RFC2217", "LineDiscipline", system], swiftSettings: pure),
        .target(name: "PortPlan", dependencies: ["SerialLine"], swiftSettings: pure),

        // C: what Swift cannot import.
        .target(name: "CCUSE", cSettings: strictC, linkerSettings: [.linkedLibrary("fuse3")]),
        .target(name: "CLinux", cSettings: strictC),
        .target(name: "CSystemd", cSettings: strictC),

        // I/O.
        .target(name: "Platform", dependencies: ["CLinux", "SerialLine", system], swiftSettings: common),
        .target(
            name: "PortRuntime", dependencies: ["Platform", "SerialLine", "VirtualTTY", system], swiftSettings: common),
        .target(
            name: "CUSEDevice",
            dependencies: ["CCUSE", "Platform", "PortRuntime", "RFC2217", "SerialLine", "VirtualTTY", system],
            swiftSettings: common),
        .target(
            name: "KernelDiscipline",
            dependencies: ["CLinux", "Platform", "PortRuntime", "SerialLine", "VirtualTTY", system],
            swiftSettings: common),
        .target(
            name: "RemotePort",
            dependencies: ["CLinux", "Platform", "PortRuntime", "RFC2217", "SerialLine", "VirtualTTY", system],
            swiftSettings: common),
        .target(
            name: "Simulator", dependencies: ["CLinux", "Platform", "RFC2217", "SerialLine", system],
            swiftSettings: common),
        .target(
            name: "Logs", dependencies: ["CSystemd", "Platform", .product(name: "Logging", package: "swift-log")],
            swiftSettings: common),
        .target(
            name: "SystemBus", dependencies: ["CSystemd", "Platform", "SerialLine", system], swiftSettings: common),
        .target(
            name: "Discovery", dependencies: ["Platform", "SerialLine", "SystemBus", system], swiftSettings: common),
        .target(
            name: "PortControl", dependencies: ["CLinux", "Platform", "SerialLine", system], swiftSettings: common),
        .target(
            name: "Supervisor",
            dependencies: [
                "CLinux", "Discovery", "Platform", "PortControl", "PortPlan", "SerialLine", "SystemBus", system,
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),
        .target(
            name: "Starter",
            dependencies: [
                "CLinux", "Platform", "PortControl", "PortPlan", "SerialLine", "SystemBus", system,
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),
        .executableTarget(
            name: "ttynvt-swift",
            dependencies: [
                "CUSEDevice", "Discovery", "KernelDiscipline", "Logs", "Platform", "PortControl", "PortPlan",
                "PortRuntime", "RFC2217", "RemotePort", "SerialLine", "Simulator", "Starter", "Supervisor",
                "SystemBus", "VirtualTTY", system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),

        .target(
            name: "TestSupport", dependencies: ["CLinux", "LineDiscipline", "RFC2217", "SerialLine"],
            path: "Tests/TestSupport",
            swiftSettings: common),
        .target(
            name: "FuzzTargets",
            dependencies: [
                "CCUSE", "CUSEDevice", "Discovery", "LineDiscipline", "Platform", "PortControl", "PortPlan",
                "PortRuntime", "RFC2217", "SerialLine", "TestSupport", "VirtualTTY", system,
            ],
            path: "Tests/Fuzz/Targets", swiftSettings: common),
        .testTarget(
            name: "FuzzTests", dependencies: ["FuzzTargets", "Platform", "SerialLine", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "CUSEDeviceTests",
            dependencies: [
                "CUSEDevice", "KernelDiscipline", "LineDiscipline", "Platform", "PortRuntime", "RFC2217", "RemotePort",
                "SerialLine", "Simulator", "TestSupport", "VirtualTTY", system,
            ],
            swiftSettings: common),
        .testTarget(
            name: "LineDisciplineTests", dependencies: ["CLinux", "LineDiscipline", "SerialLine", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "DiscoveryTests", dependencies: ["Discovery", "Platform", "SerialLine", "SystemBus", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "PortControlTests", dependencies: ["Platform", "PortControl", "SerialLine", "TestSupport", system],
            swiftSettings: common),
        .testTarget(
            name: "PortPlanTests", dependencies: ["PortPlan", "SerialLine", "TestSupport"], swiftSettings: common),
        .testTarget(
            name: "PlatformTests", dependencies: ["CLinux", "Platform", "SerialLine", system], swiftSettings: common),
        .testTarget(
            name: "ProgramTests",
            dependencies: [
                "ttynvt-swift", "PortControl", "SerialLine", "TestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "RFC2217Tests", dependencies: ["RFC2217", "SerialLine", "TestSupport"], swiftSettings: common),
        .testTarget(
            name: "ScheduleTests",
            dependencies: ["LineDiscipline", "RFC2217", "SerialLine", "TestSupport", "VirtualTTY", system],
            swiftSettings: common),
        .testTarget(name: "SerialLineTests", dependencies: ["SerialLine"], swiftSettings: common),
        .testTarget(
            name: "SimulatorTests", dependencies: ["Platform", "RFC2217", "SerialLine", "Simulator", system],
            swiftSettings: common),
        .testTarget(
            name: "StarterTests",
            dependencies: [
                "CLinux", "Platform", "PortPlan", "SerialLine", "Starter", "Supervisor", system,
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "SupervisorTests",
            dependencies: [
                "Platform", "PortControl", "PortPlan", "SerialLine", "Supervisor", system,
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: common),
        .testTarget(
            name: "SystemBusTests", dependencies: ["CLinux", "Platform", "SerialLine", "SystemBus"],
            swiftSettings: common),
        .testTarget(
            name: "VirtualTTYTests",
            dependencies: ["LineDiscipline", "RFC2217", "SerialLine", "TestSupport", "VirtualTTY", system],
            swiftSettings: common),
    ]
)

// `make fuzz` alone: libFuzzer brings the program's main function, without which it cannot be linked.
if Context.environment["TTYNVT_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "fuzzer", dependencies: ["FuzzTargets"], path: "Tests/Fuzz/Fuzzer", swiftSettings: common))
}

// Keeps only these test targets (names separated by blanks) and their dependencies, so that a sanitizer's build contains
// nothing that its tests do not run.
if let names = Context.environment["TTYNVT_ONLY_TESTS"] {
    var kept = Set(names.split(separator: " ").map(String.init))
    var isWhole = false
    while !isWhole {
        let needed = package.targets.filter { kept.contains($0.name) }.flatMap(\.dependencies).compactMap {
            if case .byNameItem(let name, _) = $0 { name } else { nil }
        }
        isWhole = kept.isSuperset(of: needed)
        kept.formUnion(needed)
    }
    package.targets.removeAll { !kept.contains($0.name) }
    package.products.removeAll()
}
