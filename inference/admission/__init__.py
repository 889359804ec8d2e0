"""Who is let in when more is asked than can be answered, and what is said to the rest."""
