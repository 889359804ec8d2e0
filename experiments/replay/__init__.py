"""The year relived: the whole loop over real HTTP, week by week."""
