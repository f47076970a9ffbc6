"""How a program starts, shows its help and ends.

A program is a module with absl flags and a `main()`:

    FLAGS = flags.FLAGS
    flags.DEFINE_string("workdir", None, "run directory", required=True)

    def main() -> None:
        ...

    if __name__ == "__main__":
        program.run(main)

It exits 0 on success, 2 on bad usage, 75 when it was interrupted and goes on when started again,
141 when nobody reads its output any more, and 1 on failure. A `UserError` ends in one line on
standard error, without a traceback; anything else is a defect of Headrace and keeps its traceback.

No TensorFlow is imported here, so `--help` and flag errors are immediate.
"""

import contextlib
import math
import os
import re
import shutil
import sys
import textwrap
import types
from collections.abc import Callable, Mapping
from typing import NoReturn

from absl import app, flags, logging

from headrace import recipes, stdio
from headrace.errors import UsageError, UserError

# The most letters that the name and the values of a flag have where `--help` shows both in a line.
_MAX_HINT = 90

# What `--help` shows for a flag's value, by absl's name for its kind.
_REQUIRED = "must have a value other than None."
_KINDS = {
    "string": "TEXT",
    "int": "NUMBER",
    "float": "NUMBER",
    "comma separated list of strings": "LIST",
}


def run(
    main: Callable[..., None],
    decodes_images: bool = False,
    accept_unknown_flags: bool = False,
    if_unknown: str = "",
    renamed: Mapping[str, str] = types.MappingProxyType({}),
) -> None:
    """Parse the flags, run `main` and exit with the right code.

    Args:
        main: called with the positional arguments as keyword-free strings, `main(*arguments)`.
        decodes_images: count what image decoders say of damaged images, see
            `stdio.filter_stderr`.
        accept_unknown_flags: hand flags that are not Headrace's on to `main` as positional
            arguments, for a program that passes them to a library.
        if_unknown: else what to do about such a flag, for the error.
        renamed: names that flags have today, by those that they had before.
    """
    with stdio.end_when_unread():
        app.run(
            lambda argv: _call(main, argv[1:], decodes_images),
            flags_parser=lambda argv: _parse(argv, accept_unknown_flags, if_unknown, renamed),
        )


def program_name() -> str:
    """Return how the running program is started, for example `python -m trainer.task`."""
    spec = sys.modules["__main__"].__spec__
    return f"python -m {spec.name}" if spec else os.path.basename(sys.argv[0])


def own_flags() -> list[flags.Flag]:
    """Return the running program's flags: those it defines, in that order, then those it adopts."""
    return flags.FLAGS.get_key_flags_for_module(sys.argv[0])


def with_flags(text: str) -> str:
    """Return a text for the user of the running program: of `name` in it, where there is such a
    flag, it makes `--name`. Libraries know fields by their names, and no flags."""
    return re.sub(
        r"`(\w+)`", lambda name: f"--{name[1]}" if name[1] in flags.FLAGS else name[0], text
    )


def _parse(
    argv: list[str], accept_unknown_flags: bool, if_unknown: str, renamed: Mapping[str, str]
) -> list[str]:
    if {"--help", "-h", "-help", "--h"} & set(argv[1:]):
        print(_help())
        sys.exit(0)
    try:
        if "recipe" in flags.FLAGS:
            argv = recipes.expand(argv)
        arguments = flags.FLAGS(argv, known_only=accept_unknown_flags)
        _check_finite()
        return arguments
    except UsageError as error:
        _exit(error)
    except (flags.Error, ValueError) as error:  # ValueError: a value for a --no… flag
        message = _absl_message(error)
        if isinstance(error, flags.UnrecognizedFlagError) and error.flagname in renamed:
            message = f"--{error.flagname} is called --{renamed[error.flagname]} now"
        elif if_unknown and message.startswith("unknown") and "Did you mean" not in message:
            message += f"; {if_unknown}"
        _exit(UsageError(message))


def _check_finite() -> None:
    for flag in own_flags():
        if isinstance(flag.value, float) and not math.isfinite(flag.value):
            raise UsageError(f"--{flag.name}={flag.value}: expected a finite number")


def _absl_message(error: Exception) -> str:
    """Put absl's message in our words: `flag --name=None: …` becomes `--name is required`."""
    message = " ".join(str(error).split()).removeprefix("ERROR:: ")
    if message.endswith(_REQUIRED):
        return f"{message.split()[1].split('=')[0]} is required"
    message = message.removeprefix("flag ")
    return message[0].lower() + message[1:]


def _call(main: Callable[..., None], arguments: list[str], decodes_images: bool) -> None:
    try:
        with stdio.filter_stderr() if decodes_images else contextlib.nullcontext():
            main(*arguments)
    except UserError as error:
        _exit(error)
    except TypeError as error:
        raised_in = error.__traceback__
        if "positional argument" not in str(error) or (raised_in and raised_in.tb_next):
            raise
        _exit(UsageError(f"unexpected argument: {' '.join(arguments)}"))
    except KeyboardInterrupt:
        sys.exit(130)


def _exit(error: UserError) -> NoReturn:
    logging.set_verbosity(logging.FATAL)  # nothing is to be said after the error
    hint = f" (see {program_name()} --help)" if error.exit_code == 2 else ""
    stdio.write_error(f"error: {with_flags(str(error))}{hint}")
    sys.exit(error.exit_code)


def _help() -> str:
    """Return the module's own description and its flags in the order in which they are defined."""
    width = min(100, shutil.get_terminal_size().columns)
    lines = [(sys.modules["__main__"].__doc__ or "").strip(), "", "Flags:"]
    for flag in own_flags():
        lines.append(f"  --{flag.name}{_value_hint(flag)}")
        lines += textwrap.wrap(
            _text(flag),
            width,
            initial_indent=" " * 6,
            subsequent_indent=" " * 6,
        )
    lines += ["", "  --flagfile=FILE", "      Read flags from FILE, one per line."]
    return "\n".join(lines)


def _value_hint(flag: flags.Flag) -> str:
    if isinstance(flag, flags.EnumFlag):
        return "=NAME" if _has_many(flag) else "=" + "|".join(flag.parser.enum_values)
    if flag.boolean:
        return ""
    kind = flag.flag_type()
    return f"={_KINDS.get(kind, kind.upper())}"


def _has_many(flag: flags.EnumFlag) -> bool:
    """Return whether a flag has more values than fit into a line beside its name."""
    return len(flag.name) + len("|".join(flag.parser.enum_values)) > _MAX_HINT


def _text(flag: flags.Flag) -> str:
    """Return the help text; absl puts the values of an enum before it, which the hint shows."""
    text = with_flags(flag.help)
    if isinstance(flag, flags.EnumFlag):
        text = text.partition(">: ")[2]
        if _has_many(flag):
            text = f"One of {', '.join(flag.parser.enum_values)}. {text}"
    if any(validator.message.endswith(_REQUIRED) for validator in flag.validators):
        return f"{text} Required."
    default = flag.default_unparsed if flag.using_default_value else None
    if (
        default is None
        or default is False
        or (not default and not isinstance(default, int | float))
    ):
        return text
    return f"{text} (default: {default})"
