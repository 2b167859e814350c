"""Programs that sweeps of the tests run."""
