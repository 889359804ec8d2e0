"""Which features a model needs: importance window by window, advice, and what dropping them costs."""
