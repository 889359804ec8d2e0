"""What bulk scoring is measured on."""
