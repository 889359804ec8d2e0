"""What can go wrong with the prediction log, each with what to do next."""


class PredictionLogError(RuntimeError):
    """The prediction log cannot be written or read."""


class UnknownLogVersionError(PredictionLogError):
    """A part of the log was written under a schema version that this reader does not know."""

    def __init__(self, where: str, found: str, known: str) -> None:
        super().__init__(
            f"{where} has prediction-log schema version {found}; this code reads version {known}. "
            "Read it with the release that wrote it, or move the file out of the log's folder."
        )


class CorruptLogError(PredictionLogError):
    """A journal segment or a sealed partition cannot be parsed."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"{where} cannot be read ({reason}). Move it out of the log's folder and keep it for study."
        )


class TornSegmentError(CorruptLogError):
    """A crash of the machine left a segment without a whole header, so that no line of it can be read."""

    def __init__(self, where: str) -> None:
        super().__init__(where, "a crash left no whole line in it")


class LogWriteError(PredictionLogError):
    """A journal line could not be written, so its prediction must not be answered."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"cannot append to {where} ({reason}). Free disk space or fix its permissions.")


class CompactionError(PredictionLogError):
    """The process that seals a segment failed."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} was not sealed ({reason}); it is tried again; its rows are read.")


class RequestIdReusedError(PredictionLogError):
    """A request id came back from the same caller with another request than it was first answered for."""

    def __init__(self, request_ids: tuple[str, ...]) -> None:
        self.request_ids = request_ids
        super().__init__(
            f"request_id {', '.join(map(repr, request_ids))} was already answered for other fields, features "
            "or another prediction time. Send a new request_id, or repeat the first request unchanged."
        )


class PseudonymKeyError(PredictionLogError):
    """The key of the pseudonyms is too short, or not kept safe."""
