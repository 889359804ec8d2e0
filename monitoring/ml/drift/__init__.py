"""How far distributions moved: the stability index, Evidently's verdict, features week by week."""
