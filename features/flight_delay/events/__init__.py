"""What happens to a leg, as events: their types, and the rows that come of them."""
