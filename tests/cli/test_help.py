"""What each verb says of itself, and calls that are off."""

import pytest

VERBS = ["run", "resume", "sweep", "agent", "ls", "info", "best", "runs", "logs", "export"]
VERBS += ["pause", "stop", "cancel", "edit", "queue", "rerun", "note", "tag", "delete"]
VERBS += ["report", "importance", "aggregate", "compare", "permute", "finalists", "validate"]
VERBS += ["register", "models", "artifact", "promote", "rollback", "discord", "notify", "paper", "data"]
VERBS += ["serve", "key", "store", "project", "doctor", "backup", "gc"]
NESTED = [("data", "ls"), ("data", "check")]
NESTED += [("store", "copy")]
NESTED += [("key", verb) for verb in ("add", "ls", "rm")]
NESTED += [("models", verb) for verb in ("show", "export", "audit", "delete")]
NESTED += [("discord", "register")]
NESTED += [("paper", verb) for verb in ("run", "status", "stop", "kill", "resume", "report")]


@pytest.mark.parametrize("verb", [(), *((name,) for name in VERBS), *NESTED])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_goes_to_stdout(sharpen, verb, option):
    said = sharpen(*verb, option)
    assert said.exit_code == 0
    assert said.stdout.startswith(f"Usage: {' '.join(('sharpen', *verb))}")
    assert said.stderr == ""
    assert max(map(len, said.stdout.splitlines())) <= 100


def test_the_root_lists_every_verb_with_a_sentence(sharpen):
    listed = sharpen("--help").stdout.rpartition("Commands:\n")[2]
    rows = [line.split(maxsplit=1) for line in listed.splitlines() if line.strip()]
    assert [name for name, _ in rows] == VERBS
    assert all(sentence[0].isupper() for _, sentence in rows)


def test_the_version_is_a_line(sharpen):
    assert sharpen("--version").stdout.startswith("sharpen, version ")


@pytest.mark.parametrize(
    "words",
    [
        ("rnu",),
        ("run",),
        ("run", "nowhere.yaml"),
        ("run", "nowhere.yaml", "--agents", "0"),
        ("agent", "last", "--slots", "none"),
        ("ls", "--jsn"),
        ("data", "chekc"),
    ],
)
def test_a_call_that_is_off_ends_with_2_and_nothing_on_stdout(sharpen, tmp_path, words):
    said = sharpen(*words, home=tmp_path / "none")
    assert (said.exit_code, said.stdout) == (2, "")
    assert "Error: " in said.stderr
    assert not (tmp_path / "none").exists()
