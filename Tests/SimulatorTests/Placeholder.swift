import Testing

@testable import Simulator

@Suite struct PlaceholderSimulator {
    @Test func placeholder() {}
}
