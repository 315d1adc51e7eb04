"""What holds for every command: exit statuses, streams, JSON, width, light start, old scripts."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from cli.conftest import Run
from cli.terminals import on_terminal
from depthmap.cli.reference import commands, render
from depthmap.cli.root import cli
from support import python

ROOT = Path(__file__).parents[2]
DEPTHMAP = [sys.executable, "-m", "depthmap"]
HEAVY = {
    "torch", "numpy", "h5py", "httpx", "rich", "fastapi", "uvicorn", "PIL", "filelock", "asyncio",
    "socket", "email", "logging", "concurrent.futures", "depthmap.download", "depthmap.networks",
}  # fmt: skip


def test_the_reference_names_every_command_and_option() -> None:
    assert render() == (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), (
        "run: python -m depthmap.cli.reference > docs/cli.md"
    )


def test_every_command_takes_the_common_options_and_every_option_says_what_it_does() -> None:
    for path, command, _ in commands(cli, "depthmap"):
        options = [p for p in command.params if isinstance(p, click.Option)]
        assert {"json", "cache_dir", "quiet", "verbose"} <= {option.name for option in options}, path
        assert all(option.help for option in options), path
        assert command.help, path


@pytest.mark.parametrize(
    "args", [["--help"], ["models", "list", "--json"], ["models", "info"], ["models", "du"]]
)
def test_light_commands_import_nothing_heavy(args: list[str]) -> None:
    code = f"""
import sys
from depthmap.cli import main
status = main({args!r})
print(status, sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)
"""
    assert python(code).stderr.splitlines()[-1] == "0 []"


def test_shell_completion_offers_commands_and_models_and_imports_nothing_heavy() -> None:
    words = "depthmap models download --model mid"
    code = """
import sys
from depthmap.cli import main
status = main([])
print(status, sorted(HEAVY & set(sys.modules)), file=sys.stderr)
""".replace("HEAVY", repr(HEAVY))
    environment = {"_DEPTHMAP_COMPLETE": "bash_complete", "COMP_CWORD": "4"}
    done = python(code, COMP_WORDS=words, **environment)
    assert [line.split(",")[1] for line in done.stdout.split()] == ["MiDaS", "MiDaS_small"]
    assert done.stderr.splitlines()[-1] == "0 []"


@pytest.mark.parametrize(
    ("args", "status"),
    [
        (["--version"], 0),
        (["models", "list"], 0),
        ([], 2),
        (["models"], 2),
        (["nosuch"], 2),
        (["models", "list", "--nosuch"], 2),
        (["models", "list", "--format", "zip"], 2),
        (["models", "export", "--model", "nosuch", "--output", "x.pt"], 2),
        (["predict"], 2),
        (["batch", "photos"], 2),
    ],
)
def test_exit_statuses(run: Run, args: list[str], status: int) -> None:
    done = run(*args)
    assert done.status == status
    assert bool(done.out) == (status == 0)
    assert "Traceback" not in done.err


def test_an_error_is_one_message_and_with_json_one_document(run: Run) -> None:
    plain = run("models", "export", "--model", "MiDaS", "--output", "x.pt")
    assert (plain.status, plain.out) == (1, "")
    assert len([line for line in plain.err.splitlines() if line.startswith("error: ")]) == 1
    for args in (["models", "export", "--model", "MiDaS", "--output", "x.pt"], ["models", "nosuch"]):
        for flagged in ([*args, "--json"], ["--json", *args]):
            document = run(*flagged).document
            assert set(document) == {"error", "message", "where", "remedy"}


def test_a_traceback_is_shown_only_when_asked_for(run: Run) -> None:
    args = ["models", "export", "--model", "MiDaS", "--output", "x.pt"]
    assert "Traceback" not in run(*args).err
    assert "Traceback" in run(*args, "-v").err


def test_a_wrong_setting_is_wrong_use(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPTHMAP_TIMEOUT", "soon")
    done = run("models", "list")
    assert done.status == 2
    assert "DEPTHMAP_TIMEOUT" in done.err


def test_quiet_leaves_results_and_errors(run: Run, mine: str) -> None:
    assert run("models", "list", "-q").err == ""
    assert run("-q", "models", "verify").err == ""
    assert "error: " in run("models", "clear", "-q").err


def test_a_pipe_that_closes_ends_the_command_quietly() -> None:
    for args in (["--help"], ["models", "list"], ["models", "list", "--json"]):
        process = subprocess.Popen([*DEPTHMAP, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        errors = process.stderr.read().decode()
        process.stderr.close()
        assert process.wait(60) in (0, 1)
        assert "Traceback" not in errors
        assert "BrokenPipe" not in errors


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["predict", "--help"],
        ["models", "--help"],
        ["models", "list"],
        ["models", "verify"],
        ["models", "info", "--detailed"],
        ["models", "clear"],
        ["models", "download", "DPT_Large"],
    ],
)
def test_nothing_is_wider_than_the_terminal(run: Run, tiny_checkpoint: Path, args: list[str]) -> None:
    name = "a_model_with_quite_a_long_name_that_fits_no_column"
    assert run("models", "import", tiny_checkpoint, "--name", name, "--format", "pt").status == 0
    seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", on_terminal(args)[1]).replace("\r", "\n")
    assert seen.strip()
    paths = str(Path(os.environ["DEPTHMAP_CACHE_DIR"]).parent)
    assert [line for line in seen.split("\n") if len(line) > 80 and paths not in line] == []


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes")
def test_ctrl_c_says_so_and_nothing_else(mine: str, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    args = [*DEPTHMAP, "predict", str(pipe), "--model", mine, "-o", str(tmp_path / "out")]
    process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    writer = -1
    while writer < 0 and process.poll() is None:
        try:
            writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # succeeds once the picture is being read
        except OSError:
            time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    os.close(writer)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert out == ""
    assert "Traceback" not in errors
    assert "Interrupted" in errors
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("setup_models", "setup"),
        ("manage_models", "models"),
        ("test_enhanced_depth", "doctor"),
        ("app", "serve"),
    ],
)
def test_the_old_scripts_are_short_and_are_these_commands(script: str, command: str) -> None:
    path = ROOT / f"{script}.py"
    assert len(path.read_text().splitlines()) <= 20
    done = subprocess.run(
        [sys.executable, path, "--help"], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.stdout.startswith(f"Usage: {script}.py")
    above = click.Context(cli)
    assert cli.get_command(above, command) is not None
    assert (cli.get_command(above, command).help or "?").splitlines()[0] in done.stdout  # type: ignore[union-attr]  # asserted


def test_manage_models_does_what_depthmap_models_does(tiny_checkpoint: Path) -> None:
    def script(*args: str) -> str:
        done = subprocess.run(
            [sys.executable, ROOT / "manage_models.py", *args], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    script("import", "--input", str(tiny_checkpoint), "--name", "my_custom_model")
    assert "my_custom_model" in script("list", "--format", "h5")
    assert json.loads(script("info", "--detailed", "--json"))["formats"] == {"pt": 1, "h5": 1, "pkl": 1}
    assert "removed" in json.loads(script("clear", "--confirm", "--json"))


def test_no_command_prints_around_the_session() -> None:
    """Results and messages go through Session, so that --json and --quiet hold; a few places print for it."""
    allowed = {"session.py", "reference.py", "root.py", "estimating.py", "doctor.py"}
    for path in (ROOT / "src" / "depthmap" / "cli").glob("*.py"):
        calls = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)]
        assert path.name in allowed or not [
            c for c in calls if ast.unparse(c.func) in ("print", "click.echo")
        ], path
