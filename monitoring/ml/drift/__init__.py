"""How far distributions moved: the stability index, Evidently's verdict on a window, features week by week."""
