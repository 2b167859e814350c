"""Traps of YAML and of habits: what is meant is taken and said, or refused with the fix."""

from __future__ import annotations

import time

import pytest

from sharpen.errors import SpecError
from sharpen.space import Choice, Constant, Float
from sharpen.spec import is_module, lint, lint_command, parse, sweep_file
from sharpen.spec.dialects import Dialect, Source
from sharpen.spec.model import Metric, Sweep
from sharpen.spec.readers import seconds_of

HEAD = "program: train.py\nmethod: random\nrun_cap: 30\nmetric: {name: val/loss}\n"
PARAMETERS = "parameters: {x: {min: 0.5, max: 1.0}}\n"


def problems(text: str) -> dict[str, str]:
    with pytest.raises(SpecError) as refused:
        parse(text)
    return dict(refused.value.facts["problems"])


@pytest.mark.parametrize(
    ("written", "dimension"),
    [
        ("{value: 1e-3}", Constant(0.001)),
        ("{values: [1e-3, 5E-4, 1.5e2]}", Choice((0.001, 0.0005, 150.0))),
        ("{min: 1e-4, max: 1e-1}", Float(1e-4, 0.1)),
        ("{value: '1e-3'}", Constant("1e-3")),
        ("{values: [1e-3x, e5]}", Choice(("1e-3x", "e5"))),
    ],
)
def test_a_power_of_ten_is_a_number_unless_it_is_in_quotes(written: str, dimension: object) -> None:
    assert parse(f"{HEAD}parameters: {{lr: {written}}}").space.dimensions["lr"] == dimension


def test_a_power_of_ten_that_yaml_takes_for_text_is_said() -> None:
    sweep = parse(f"{HEAD}parameters: {{lr: {{values: [1e-3, 1.0e-4, 0.5]}}}}")
    (said,) = [advice for advice in lint(sweep) if "values" in advice.path]
    assert (said.path, said.sentence) == (
        "$.parameters.lr.values[0]",
        "1e-3 is read as the number 0.001; in quotes it would be text",
    )


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("15:30", 'counts to the base 60: put it in quotes, "15:30"'),
        ("1:30:00", "base 60"),
        ("010", 'counts to the base 8: put it in quotes, "010", or write 10 for the number'),
        ("007", "base 8"),
    ],
)
def test_numbers_that_are_not_what_they_look_like_are_refused(written: str, says: str) -> None:
    found = problems(f"{HEAD}parameters: {{x: {{values: [{written}, 16]}}}}")
    assert says in found["$.parameters.x.values[0]"]
    parse(f"{HEAD}parameters: {{x: {{values: ['{written}', 16]}}}}")


def test_zero_and_hexadecimal_numbers_are_what_they_look_like() -> None:
    assert parse(f"{HEAD}parameters: {{x: {{values: [0, 0.5, 0x1F]}}}}").space.dimensions["x"] == Choice(
        (0, 0.5, 31)
    )


@pytest.mark.parametrize(
    ("parameters", "path", "says"),
    [
        ("{lr: [0.1, 0.2]}", "lr", "write {values: [0.1, 0.2]}"),
        ("{lr: 0.1}", "lr", "write {value: …}"),
        ("{x: {values: [3, 3, 4]}}", "x.values[1]", "add probabilities"),
        ('{"a\\e[31m": {value: 1}}', "", "holds control characters"),
        ('{"": {value: 1}}', "", "has an empty name"),
        (
            f"{{? {'k' * 1001} : {{value: 1}}}}",
            "",
            "kkk'… has 1,001 letters, and the limit is 1,000: shorten it",
        ),
    ],
)
def test_habits_get_their_hint(parameters: str, path: str, says: str) -> None:
    found = problems(f"{HEAD}parameters: {parameters}")
    assert says in found[f"$.parameters.{path}".rstrip(".")]


def test_who_keeps_anchors_apart_hears_where_to_write_them() -> None:
    found = problems(f"_lr: &lr {{min: 0.1, max: 1.0}}\n{HEAD}parameters: {{lr: *lr}}")
    assert "write &name at the first parameter" in found["$._lr"]


def test_a_parameter_may_stand_beside_dotted_ones_that_begin_with_its_name() -> None:
    sweep = parse(
        f"{HEAD}parameters: {{optimizer: {{values: [adam, sgd]}}, optimizer.config.lr: {{value: 0.1}}}}"
    )
    assert sweep.nested({"optimizer": "adam", "optimizer.config.lr": 0.1}) == {
        "optimizer": "adam",
        "optimizer.config.lr": 0.1,
    }


@pytest.mark.parametrize("method", ["grid", "random"])
def test_a_method_that_learns_nothing_needs_no_metric(method: str) -> None:
    sweep = parse(f"program: t.py\nmethod: {method}\nrun_cap: 3\nparameters: {{x: {{values: [1, 2, 3]}}}}")
    assert sweep.metric == Metric("")
    assert any("no best run and no verdict" in advice.sentence for advice in lint(sweep))


@pytest.mark.parametrize("more", ["method: bayes", "method: grid\nearly_terminate: {type: median}"])
def test_whoever_learns_or_compares_needs_a_metric(more: str) -> None:
    found = problems(f"program: t.py\n{more}\nrun_cap: 3\nparameters: {{x: {{values: [1, 2, 3]}}}}")
    assert "is missing" in found["$.metric"]


def test_a_module_is_a_program() -> None:
    command = "command: [python, -m, '${program}', '${args}']\n"
    assert is_module(parse(HEAD.replace("train.py", "src.main") + command + PARAMETERS))
    assert not is_module(parse(HEAD + PARAMETERS))


@pytest.mark.parametrize("words", ["${args_no_boolean_flags}", "${env}, ${args}"])
def test_a_command_of_arguments_alone_is_said(words: str) -> None:
    command = "command: [" + ", ".join(f"'{word}'" for word in words.split(", ")) + "]\n"
    (said,) = lint_command(parse(HEAD + command + PARAMETERS), {}, {}.get)
    assert said.path == "$.command"
    assert "names no program" in said.sentence


def test_a_win_rate_sounds_better_when_larger() -> None:
    sweep = parse(HEAD.replace("val/loss", "win_rate") + PARAMETERS)
    assert "write goal: maximize" in {advice.path: advice.sentence for advice in lint(sweep)}["$.metric.goal"]


def test_control_characters_in_the_name_of_a_metric_are_refused() -> None:
    found = problems(HEAD.replace("{name: val/loss}", '{name: "loss\\e[31m"}') + PARAMETERS)
    assert "without control characters" in found["$.metric.name"]


def within_a_second(text: str) -> dict[str, str]:
    started = time.process_time()
    found = problems(text)
    assert time.process_time() - started < 5.0
    return found


def test_what_is_too_much_is_refused_before_it_is_read() -> None:
    values = ",".join("1" for _ in range(1_000_000))
    assert "holds more than 100000 values" in within_a_second(f"a: [{values}]")["$"]
    assert "letters, and the limit is" in within_a_second("# " + "x" * 10_000_000)["$"]


def test_a_long_chain_of_waiting_parameters_is_refused() -> None:
    links = [f"p{n}: {{values: [1, 2], when: {{p{n - 1}: 1}}}}" for n in range(1, 800)]
    found = within_a_second(f"{HEAD}parameters: {{p0: {{values: [1, 2]}}, {', '.join(links)}}}")
    assert "is the end of a chain of more than 30 parameters" in found["$.parameters.p30.when"]
    short = [f"p{n}: {{values: [1, 2], when: {{p{n - 1}: 1}}}}" for n in range(1, 30)]
    parse(f"{HEAD}parameters: {{p0: {{values: [1, 2]}}, {', '.join(short)}}}")


@pytest.mark.parametrize("written", ["1" * 50_000 + "x", "1h" * 50_000, "1h 30m " * 20])
def test_a_long_length_of_time_is_refused_at_once(written: str) -> None:
    with pytest.raises(ValueError, match="must be a length of time"):
        seconds_of(written)


def test_many_problems_are_cut_short() -> None:
    with pytest.raises(SpecError) as refused:
        parse(HEAD + PARAMETERS + "".join(f"unknown{n}: 1\n" for n in range(3000)))
    assert len(str(refused.value)) < 100_000
    assert str(refused.value).endswith("… and 2900 more")


def test_a_file_is_read_by_the_dialect_that_recognises_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(source: Source) -> Sweep:
        wandb = {"program": "t.py", "method": "random", "metric": {"name": source.document.value["toy"]}}
        wandb |= {"run_cap": 3, "parameters": {"x": {"min": 0.5, "max": 1.0}}}
        document = source.document._replace(value=wandb)
        return sweep_file.DIALECTS["wandb"].read(Source(document, source.text, source.where))

    toy = Dialect(lambda value: isinstance(value, dict) and "toy" in value, read)
    monkeypatch.setattr(sweep_file, "DIALECTS", {"toy": toy, **sweep_file.DIALECTS})
    sweep = parse("toy: loss", "a/b.yaml")
    assert (sweep.dialect, sweep.metric.name, sweep.name) == ("toy", "loss", "b")
    assert parse(sweep.source_text).dialect == "toy"  # as a stored sweep is read again
    assert parse(HEAD + PARAMETERS).dialect == "wandb"
