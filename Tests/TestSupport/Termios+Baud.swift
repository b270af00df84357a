import LineDiscipline

extension Termios {
    /// Asks for a rate, by constant or by number.
    package mutating func setBaud(_ baud: UInt32) {
        let code = BaudCode.code(of: baud)
        cflag = cflag.subtracting([.CBAUD, .CIBAUD]).union(ControlFlags(rawValue: code))
        ospeed = baud
        ispeed = baud
    }
}
