"""What a window holds: its predictions' late labels, their quality, samples, the champion's reference."""
