"""Parts of the day by local hour of departure: [first hour, hour after the last)."""

DAY_PARTS: dict[str, tuple[int, int]] = {
    "dawn": (0, 8),
    "morning": (8, 11),
    "noon": (11, 14),
    "afternoon": (14, 17),
    "evening": (17, 20),
    "night": (20, 24),
}
