"""The benches in `bench/`, with figures in place of their measurements."""
