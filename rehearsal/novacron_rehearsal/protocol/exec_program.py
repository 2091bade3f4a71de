"""Runs a Pulumi program inside its own interpreter. Started by path, so it imports nothing of this package.

Standard input: one JSON object with monitor, engine, project, stack, organization, parallel, dry_run, root_directory,
program (folder or file) and config with its secret keys. The program itself gets an empty standard input.
Exit status: 0 when the program is done, 1 when it ended with an error that is already reported, 130 when interrupted.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import logging
import os
import runpy
import sys
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

INTERRUPTED = 130
"""Exit status of an interrupted program."""


def run(settings: dict[str, Any]) -> int:
    """Run the program that the settings name. Returns its exit status."""
    from pulumi import runtime

    runtime.set_all_config(settings["config"], settings["config_secret_keys"])
    runtime.configure(
        runtime.Settings(
            monitor=settings["monitor"],
            engine=settings["engine"],
            project=settings["project"],
            stack=settings["stack"],
            parallel=settings["parallel"],
            dry_run=settings["dry_run"],
            organization=settings["organization"],
            root_directory=settings["root_directory"],
        )
    )
    with without_unused_work():
        return _run_program(os.path.abspath(settings["program"]), settings["parallel"])  # noqa: PTH100 - runpy and tracebacks take texts


@contextmanager
def without_unused_work() -> Generator[None]:
    """Leave out work of the SDK whose results the engine ignores.

    It took a quarter of the time of rehearsing prod-azure, and half of the program's memory. A debug message is a
    blocking call. The engine computes the URNs of aliases itself. Of the stack trace of each resource, for which the
    SDK reads source files, it keeps the first frame.
    """
    replaced: list[tuple[ModuleType, str, Callable[..., Any]]] = []
    for name, function, replacement in (
        ("pulumi.log", "debug", _ignore),
        ("pulumi.resource", "collapse_alias_to_urn", _ignore),
        ("pulumi.runtime.resource", "_get_stack_trace", _find_caller),
    ):
        module = sys.modules.get(name)
        original = getattr(module, function, None)
        if module is not None and original is not None:
            replaced.append((module, function, original))
            setattr(module, function, replacement)
    try:
        yield
    finally:
        for module, function, original in replaced:
            setattr(module, function, original)


def _ignore(*_arguments: Any, **_named: Any) -> None:
    """Take the place of a function of the SDK."""


def _find_caller() -> Any:
    """Return a stack trace with one frame: the program's, where it makes the resource that is being registered."""
    from pulumi.runtime.proto import source_pb2

    frame = inspect.currentframe()  # a stack summary would read all source files
    constructors = 0  # of Resource, of CustomResource or ComponentResource, and of the resource's own class
    while frame is not None and constructors < 3:
        constructors += frame.f_code.co_name == "__init__"
        frame = frame.f_back
    if frame is None:
        return source_pb2.StackTrace()
    path = Path(frame.f_code.co_filename)
    position = source_pb2.SourcePosition(uri=path.as_uri(), line=frame.f_lineno) if path.is_absolute() else None
    return source_pb2.StackTrace(frames=[source_pb2.StackFrame(pc=position)])


def _run_program(program: str, parallel: int) -> int:
    import pulumi
    from pulumi import runtime

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(max_workers=max(parallel, 1) * 4)
    loop.set_default_executor(executor)
    # A failed resource leaves futures that no one awaits; the engine reports the failure itself.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        loop.run_until_complete(runtime.run_in_stack(lambda: _run_and_await_outputs(program)))
    except pulumi.RunError as error:
        if "Resource monitor has terminated" not in str(error):
            pulumi.log.error(str(error))
        return 1
    except KeyboardInterrupt:
        end_quietly()
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - whatever the program raises is shown to the user
        pulumi.log.error(f"Program failed with an unhandled exception:\n{_user_traceback(program)}")
        return 1
    finally:
        executor.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def end_quietly() -> NoReturn:
    """End an interrupted program at once, without tracebacks and warnings of coroutines that no one awaits."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


async def _run_and_await_outputs(program: str) -> None:
    """Run the program, and wait for all of its outputs at once.

    The SDK waits for one output at a time and checks all of them each time, which took a quarter of the time of
    rehearsing prod-azure.
    """
    from pulumi.runtime import get_root_resource
    from pulumi.runtime.settings import SETTINGS

    runpy.run_path(program, run_name="__main__")
    if getattr(get_root_resource(), "_async_program", None) is not None:
        return  # a program of `pulumi.run` begins after this, and outputs may wait for it
    settings: Any = SETTINGS  # the SDK's own types contradict each other
    while pending := [output for output in list(settings.outputs) if not output.done()]:
        done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
        if any(output.cancelled() or output.exception() is not None for output in done):
            return  # the SDK reports it


def _user_traceback(program: str) -> str:
    """Return the traceback from the program's first line on."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    for index, frame in enumerate(frames):
        if os.path.abspath(frame.filename) in (program, os.path.join(program, "__main__.py")):  # noqa: PTH100, PTH118
            return traceback.format_exc(limit=-(len(frames) - index))
    return traceback.format_exc()


def main() -> None:
    """Read the settings and run the program.

    Garbage is hardly ever collected, which took half the time of rehearsing prod-azure: the SDK keeps hundreds of
    thousands of futures until the program ends, and each collection visits many of them.
    """
    gc.set_threshold(5_000_000, 20, 100)
    arguments = json.load(sys.stdin)
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    folder = arguments["program"] if os.path.isdir(arguments["program"]) else os.path.dirname(arguments["program"])  # noqa: PTH112, PTH120
    sys.path[0] = folder
    sys.argv = [arguments["program"]]
    status = run(arguments)
    gc.freeze()  # the interpreter would collect all of it before it exits
    sys.exit(status)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        end_quietly()
