"""One module per benchmark: `make bench-NAME` prints a table and writes `var/bench/NAME.json`."""
