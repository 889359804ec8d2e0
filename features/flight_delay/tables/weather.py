"""Weather at the origin, known once its hour has ended."""

import ibis
import ibis.expr.types as ir

MEASURES = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
TREND_HOURS = 3


def build_weather(weather: ir.Table) -> ir.Table:
    """Return one row per origin and hour observed, stamped with the end of its hour.

    `precip_3h` sums the hours observed among the last three; `pressure_change` compares
    with the observation three rows earlier (null at the start).
    """
    recent = ibis.window(
        group_by="origin", order_by="time_hour", preceding=ibis.interval(hours=TREND_HOURS - 1), following=0
    )
    ordered = ibis.window(group_by="origin", order_by="time_hour")
    return weather.select(
        "origin",
        *MEASURES,
        event_timestamp=weather.time_hour + ibis.interval(hours=1),
        precip_3h=weather.precip.sum().over(recent),
        pressure_change=weather.pressure - weather.pressure.lag(TREND_HOURS).over(ordered),
    )
