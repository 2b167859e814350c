"""Two servers of one store in Postgres, its files in a bucket: one is killed, the other takes over."""

import json

import pytest

from faults.bench import kill, until
from server.test_agents_api import PROGRAM, SWEEP, Site, n_acks
from sharpen.server.auth import KeyFile

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


class TwoServers(Site):
    """Machines that share a database and a bucket, and no folder; agents find the server at one address."""

    name = "store"

    @property
    def home(self):
        return self.folder / self.name

    def serve_from(self, name, *words):
        home = self.folder / name
        (home / "keys.json").parent.mkdir(parents=True, exist_ok=True)
        (home / "keys.json").write_bytes((self.home / "keys.json").read_bytes())
        return self.serve(*words, home=home)


@pytest.fixture
def site(tmp_path, s3, postgres):
    here = TwoServers(tmp_path)
    here.work.mkdir()
    (here.work / "train.py").write_text(PROGRAM)
    (here.work / "s.yaml").write_text(SWEEP)
    here.key = KeyFile(here.home).add("test")
    yield here
    here.close()


def test_files_of_a_bucket_outlive_the_server_that_took_them(site, s3, postgres):
    database, bucket = postgres.new_database(), s3.new_bucket()
    first = site.serve_from("first", "--store", database, "--blobs", bucket)
    sweep = site.call("--server", site.url, "sweep", "s.yaml").stdout.split()[-1]
    agent = site.start("--server", site.url, "agent", sweep, PACE="0.1")
    until(lambda: n_acks(site) > 10, "the second run to be at work")
    assert kill(first)
    first.wait(10)
    site.serve_from("second", "--store", database)  # the database tells it of the bucket
    assert agent.wait(120) == 0, agent.stderr.read()

    site.name = "third"
    back = site.call("store", "copy", database, str(site.home), "--json")
    assert back.returncode == 0, back.stderr
    assert json.loads(back.stdout)["n_files"] == 4
    site.assert_all_is_there()
    doctor = site.call("--home", str(site.folder / "second"), "doctor")
    assert (doctor.returncode, "the bucket answers in" in doctor.stdout) == (0, True), doctor.stdout
    for words in (["best", sweep], ["report", sweep], ["runs", sweep]):
        done = site.call("--server", site.url, *words)
        assert (done.returncode, "1.125" in done.stdout or "1.12" in done.stdout) == (0, True), done
    backup = site.call("--home", str(site.folder / "second"), "backup", "all.tar", "--json")
    assert backup.returncode == 0, backup.stderr
    assert json.loads(backup.stdout)["n_blobs"] == 4
