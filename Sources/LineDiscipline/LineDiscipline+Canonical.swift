import SerialLine

// Canonical mode: lines and their editing (n_tty_receive_char_canon, eraser).
extension LineDiscipline {
    private enum Erasure {
        case character
        case word
        case line
    }

    /// Handles a byte of canonical input that may end or edit the line.
    /// - Returns: whether it did; if not, the byte belongs to the line.
    mutating func receiveCanonical(_ byte: UInt8, to output: inout OutputBuffer) -> Bool {
        let isExtended = termios.lflag.contains(.IEXTEN)
        let echoes = termios.lflag.contains(.ECHO)
        if byte == termios[.VERASE] || byte == termios[.VKILL] || (isExtended && byte == termios[.VWERASE]) {
            erase(byte, to: &output)
            commitEchoes(to: &output)
        } else if isExtended && byte == termios[.VLNEXT] {
            takesNextLiterally = true
            if echoes { echoLiteralNext(to: &output) }
        } else if isExtended && echoes && byte == termios[.VREPRINT] {
            reprint(byte, to: &output)
            commitEchoes(to: &output)
        } else if byte == .newline {
            if echoes || termios.lflag.contains(.ECHONL) {
                echo.addPlain(.newline)
                commitEchoes(to: &output)
            }
            input.putLineEnd(byte)
        } else if byte == termios[.VEOF] {
            input.putLineEnd(.disabled)
        } else if byte == termios[.VEOL] || (isExtended && byte == termios[.VEOL2]) {
            if echoes { echoReceived(byte, finishingErasing: false, to: &output) }
            if byte == .mark && termios.iflag.contains(.PARMRK) { input.put(byte) }
            input.putLineEnd(byte)
        } else {
            return false
        }
        return true
    }

    private mutating func echoLiteralNext(to output: inout OutputBuffer) {
        finishErasing()
        guard termios.lflag.contains(.ECHOCTL) else { return }
        echo.addPlain(.caret)
        echo.addPlain(.backspace)
        commitEchoes(to: &output)
    }

    private mutating func reprint(_ byte: UInt8, to output: inout OutputBuffer) {
        finishErasing()
        echoCharacter(byte)
        echo.addPlain(.newline)
        var position = input.canonHead
        while InputQueue.place(position) != InputQueue.place(input.head) {
            echoCharacter(input[position])
            keepRoomForEchoes(to: &output)
            position += 1
        }
    }

    /// Erases the last character, the last word, or the line.
    private mutating func erase(_ byte: UInt8, to output: inout OutputBuffer) {
        guard input.head != input.canonHead else { return }
        let kind: Erasure = byte == termios[.VERASE] ? .character : byte == termios[.VWERASE] ? .word : .line
        let lflag = termios.lflag
        if kind == .line && !lflag.isSuperset(of: [.ECHO, .ECHOK, .ECHOKE, .ECHOE]) {
            input.head = input.canonHead
            if lflag.contains(.ECHO) { echoKill() }
            return
        }
        eraseCharacters(kind, to: &output)
        if input.head == input.canonHead && lflag.contains(.ECHO) { finishErasing() }
    }

    private mutating func echoKill() {
        finishErasing()
        echoCharacter(termios[.VKILL])
        if termios.lflag.contains(.ECHOK) { echo.addPlain(.newline) }
    }

    private mutating func eraseCharacters(_ kind: Erasure, to output: inout OutputBuffer) {
        var hasSeenWord = false
        while InputQueue.place(input.head) != InputQueue.place(input.canonHead) {
            var start = input.head - 1
            while isContinuation(input[start]) && InputQueue.place(start) != InputQueue.place(input.canonHead) {
                start -= 1
            }
            let first = input[start]
            // A continuation byte alone is not a character.
            if isContinuation(first) { return }
            if kind == .word {
                if first.isAlphanumeric || first == .underscore {
                    hasSeenWord = true
                } else if hasSeenWord {
                    return
                }
            }
            let end = input.head
            input.head = start
            if termios.lflag.contains(.ECHO) { echoErased(start..<end, kind, to: &output) }
            if kind == .character { return }
        }
    }

    /// Echoes the erasure of a character.
    private mutating func echoErased(_ range: Range<Int>, _ kind: Erasure, to output: inout OutputBuffer) {
        keepRoomForEchoes(to: &output)
        let first = input[range.lowerBound]
        let showsControls = termios.lflag.contains(.ECHOCTL)
        if termios.lflag.contains(.ECHOPRT) {
            if !isErasing {
                echo.addPlain(.backslash)
                isErasing = true
            }
            echoCharacter(first)
            for position in range.dropFirst() {
                echo.addPlain(input[position])
                echo.add(.moveBackColumn)
                keepRoomForEchoes(to: &output)
            }
        } else if kind == .character && !termios.lflag.contains(.ECHOE) {
            echoCharacter(termios[.VERASE])
        } else if first == .tab {
            echoErasedTab()
        } else {
            if first.isControl && showsControls { echoRubout() }
            if !first.isControl || showsControls { echoRubout() }
        }
    }

    private mutating func echoRubout() {
        echo.addPlain(.backspace)
        echo.addPlain(.space)
        echo.addPlain(.backspace)
    }

    /// Echoes the erasure of a tab. The cursor moves back by a width that depends on the columns between the tab and
    /// the tab before it, or the beginning of the line.
    private mutating func echoErasedTab() {
        var columns = 0
        var position = input.head
        while InputQueue.place(position) != InputQueue.place(input.canonHead) {
            position -= 1
            let byte = input[position]
            if byte == .tab { return echo.addEraseTab(columns: columns, afterTab: true) }
            if byte.isControl {
                if termios.lflag.contains(.ECHOCTL) { columns += 2 }
            } else if !isContinuation(byte) {
                columns += 1
            }
        }
        echo.addEraseTab(columns: columns, afterTab: false)
    }

    func isContinuation(_ byte: UInt8) -> Bool { termios.iflag.contains(.IUTF8) && byte.isUTF8Continuation }
}
