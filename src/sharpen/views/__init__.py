"""What every face shows of a sweep, as values: returns, the family of sweeps on the same bars."""
