"""The words that start a run, each macro as the W&B client fills it in."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sharpen.errors import UsageError
from sharpen.spec import Invocation, Sweep, command_line, invocation, parse

HEAD = "program: train.py\nmethod: random\nmetric: {name: val/loss}\n"
PARAMETERS = (
    "{lr: {min: 0.0, max: 1.0}, flag: {values: [true, false]}, opt: {parameters: {name: {value: adam}, "
    "eps: {value: 1.0e-8}}}, none: {value: null}, a.b: {value: 1}}"
)
CONFIG = {"none": None, "flag": False, "lr": 1e-05, "opt.name": "adam", "opt.eps": 1e-8, "a.b": 1}
OPT = "{'name': 'adam', 'eps': 1e-08}"


def sweep_of(command: str, parameters: str = PARAMETERS):
    return parse(f"{HEAD}parameters: {parameters}\ncommand: {command}")


def arguments(sweep: Sweep, config: dict[str, object], interpreter: str) -> list[str]:
    found = invocation(sweep, config, interpreter, {})
    assert not found.files
    return list(found.argv)


def test_the_command_of_a_run() -> None:
    sweep = parse(f"{HEAD}parameters: {PARAMETERS}")
    assert arguments(sweep, CONFIG, "/venv/bin/python") == [
        "/usr/bin/env",
        "/venv/bin/python",
        "train.py",
        "--lr=1e-05",
        "--flag=False",
        f"--opt={OPT}",
        "--none=None",
        "--a.b=1",
    ]


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("env", ["/usr/bin/env"]),
        ("interpreter", ["py"]),
        ("program", ["train.py"]),
        (
            "args_no_equals",
            ["--lr", "1e-05", "--flag", "False", "--opt", OPT, "--none", "None", "--a.b", "1"],
        ),
        ("args_no_hyphens", ["lr=1e-05", "flag=False", f"opt={OPT}", "none=None", "a.b=1"]),
        ("args_no_boolean_flags", ["--lr=1e-05", f"--opt={OPT}", "--none=None", "--a.b=1"]),
        ("args_append_hydra", ["+lr=1e-05", "+flag=False", f"+opt={OPT}", "+none=None", "+a.b=1"]),
        ("args_override_hydra", ["++lr=1e-05", "++flag=False", f"++opt={OPT}", "++none=None", "++a.b=1"]),
    ],
)
def test_each_macro(macro, expected) -> None:
    assert arguments(sweep_of(f"['${{{macro}}}']"), CONFIG, "py") == expected


def test_flags_that_are_true_stand_alone() -> None:
    sweep = sweep_of("['${args_no_boolean_flags}']", "{a: {value: true}, b: {value: 1}, c: {value: 0}}")
    assert arguments(sweep, {"a": True, "b": 1, "c": 0}, "py") == ["--a", "--b=1", "--c=0"]


def test_the_configuration_as_json_and_as_a_file() -> None:
    nested = {"lr": 1e-05, "flag": False, "opt": {"name": "adam", "eps": 1e-8}, "none": None, "a.b": 1}
    (found,) = arguments(sweep_of("['${args_json}']"), CONFIG, "py")
    assert json.loads(found) == nested
    assert list(json.loads(found)) == list(nested)
    by_file = sweep_of("[run, '${args_json_file}']")
    started = invocation(by_file, CONFIG, "py", {}, "/configs/run-7.json")
    assert started == Invocation(("run", "/configs/run-7.json"), {"/configs/run-7.json": found})


def test_what_repeats_a_run_that_reads_a_file_writes_the_file_first(tmp_path) -> None:
    sweep = sweep_of("[python3, -c, 'print(open(\"config.json\").read())', '${args_json_file}']")
    line = command_line(sweep, CONFIG, seed=3)
    done = subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == sweep.nested(CONFIG)


ALONE = """
import json, os, sys
from sharpen import tracking
with tracking.init(config={"lr": 9.0, "mine": 1}) as run:
    print(json.dumps([run.seed, run.config, sys.argv[1:]]))
"""


@pytest.mark.parametrize("words", ["", ", '${args}', '${envvar:WHO}', 'it is ${envvar:WHO}', $WHO"])
def test_what_repeats_a_run_gives_a_program_its_configuration_however_it_reads_it(tmp_path, words) -> None:
    (tmp_path / "alone.py").write_text(ALONE)
    sweep = sweep_of(f"['${{interpreter}}', alone.py{words}]")
    line = command_line(sweep, CONFIG, seed=3).replace(" python ", f" {sys.executable} ")
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        cwd=tmp_path,
        env=os.environ | {"WHO": "me, & you"},
        capture_output=True,
        text=True,
        check=True,
    )
    seed, config, argv = json.loads(done.stdout)
    assert (seed, config) == (3, {**sweep.nested(CONFIG), "mine": 1})
    assert argv[-3:] == (["me, & you", "it is me, & you", "$WHO"] if words else [])


def test_environment_variables_are_filled_in_anywhere() -> None:
    sweep = sweep_of("['--out=${envvar:OUT}/x', '${envvar:A_1}${envvar:OUT}', '${HOME}x']")
    environ = {"OUT": "/data/${envvar:A_1}", "A_1": "1"}
    assert invocation(sweep, CONFIG, "py", environ).argv == (
        "--out=/data/${envvar:A_1}/x",
        "1/data/${envvar:A_1}",
        "${HOME}x",
    )


def test_an_environment_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(UsageError, match="needs the environment variable NOPE, which is not set"):
        invocation(sweep_of("['${envvar:NOPE}']"), CONFIG, "py", {"nope": "1"})


def test_a_command_of_ones_own_keeps_its_other_words_and_numbers() -> None:
    sweep = sweep_of("[nice, -5, 0.5, '${program}', --, 'a b$c ${x}/y', '${args}']", "{x: {value: 1}}")
    expected = ["nice", "-5", "0.5", "train.py", "--", "a b$c ${x}/y", "--x=1"]
    assert arguments(sweep, {"x": 1}, "python") == expected


def test_what_a_condition_leaves_out_is_not_passed_on() -> None:
    sweep = sweep_of(
        "['${args}']", "{a: {values: [1, 2]}, b: {value: 3, when: {a: 2}}, c: {parameters: {d: {value: 4}}}}"
    )
    assert arguments(sweep, {"a": 1, "c.d": 4}, "py") == ["--a=1", "--c={'d': 4}"]


def test_a_command_without_the_program_macro_needs_no_program() -> None:
    sweep = parse(
        "{method: random, metric: {name: m}, parameters: {x: {value: 1}}, command: [./run.sh, '${args}']}"
    )
    assert arguments(sweep, {"x": 1}, "python") == ["./run.sh", "--x=1"]
