import SerialLine

// Finds the known servers that behave like one: each is surveyed in memory, and the results are compared.
extension ServerSurvey {
    /// The observations that distinguish servers without changing anything there.
    private struct Fingerprint: Equatable {
        let negotiated: Set<String>
        let answered: [Bool]
        let isToThePoint: [Bool]
        let tellsMask: Bool
        let hasModemState: Bool
        let isEarly: Bool
    }

    private var fingerprint: Fingerprint {
        Fingerprint(
            negotiated: negotiated, answered: answers.map { $0.value != nil },
            isToThePoint: answers.map(\.isToThePoint), tellsMask: tellsMask, hasModemState: modemState != nil,
            isEarly: isEarly)
    }

    /// The known servers that would have given the same answers: names that `simulate --quirk` accepts. Some can be
    /// distinguished only by changing settings; `standard` is RFC 2217 as written.
    package var families: [String] {
        guard isRFC2217 else { return [] }
        let whole: [ServerQuirk] = [
            .ser2net, .ser2net43, .pyserial, .espRFC2217Server, .igrr, .espRS, .espLink, .sredird, .moxa,
        ]
        var families = whole.filter { Self.survey(ServerProfile([$0])).fingerprint == fingerprint }.map(\.rawValue)
        if Self.survey(ServerProfile()).fingerprint == fingerprint { families.insert("standard", at: 0) }
        return families
    }

    private static func survey(_ profile: ServerProfile) -> ServerSurvey {
        var now = MonotonicTime(nanoseconds: .seconds(1))
        var survey = ServerSurvey(now: now, patience: .seconds(1))
        var server = ComPortServer(profile, now: now)
        var toClient: [UInt8] = []
        server.open(&toClient)
        while !survey.isDone {
            if !toClient.isEmpty {
                let bytes = toClient
                toClient.removeAll()
                survey.receive(bytes.span, now: now)
            } else if !survey.output.isEmpty {
                let bytes = survey.output
                survey.output.removeAll()
                var offset = 0
                while server.next(bytes.span, &offset, now: now, &toClient) != nil {}
            } else if let deadline = survey.deadline {
                now = deadline
                survey.advance(now: now)
            } else {
                break
            }
        }
        return survey
    }
}
