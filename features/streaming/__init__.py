"""Events into rows: decoded, stored, taken in, pushed online and to the tables."""
