"""The commands that make releases of secrets, and the one that shows their changes: `upload`, `rollback` and `diff`."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from coffer_common import durations
from coffer_common.errors import UsageError
from coffer_protocol.identity import parse_id
from coffer_protocol.release.head import SignedHead

from ..definition import lint
from ..errors import EXIT_CHANGES, KeysChangeError, RemovalsError, RevertsError
from ..releases.commit import Drafting, based, make, preview
from ..releases.diff import Held, compare, find_difference, held
from ..releases.plan import Plan
from ..releases.rollback import Rollback
from ..releases.upload import Publication
from ..settings import PublisherState
from ..target import Target
from .options import (
    CofferOption,
    DryRunOption,
    EnvOption,
    ExpiresOption,
    FileArgument,
    IdentityOption,
    JsonOption,
    OutsideOption,
    ReadableOption,
    RemovalsOption,
    RevertsOption,
    ServerOption,
    YesOption,
    chosen_target,
    defined_target,
    load_definition,
    publication,
    publishable_definition,
    whole_number,
)
from .output import progress_bar, show_plan, tell, warn
from .runner import execute


def upload(
    file: FileArgument,
    server: ServerOption = None,
    identity: IdentityOption = None,
    dry_run: DryRunOption = False,
    expires: ExpiresOption = None,
    yes: YesOption = False,
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
    allow_readable: ReadableOption = False,
    allow_removals: RemovalsOption = False,
    allow_reverts: RevertsOption = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Begin the history again if the server has lost it. Every client will see that.")
    ] = False,
    accept_restart: Annotated[
        str | None,
        typer.Option(
            "--accept-restart", metavar="SERIAL", help="Go on from release SERIAL, with which another publisher began the history again."
        ),
    ] = None,
    reseal: Annotated[bool, typer.Option("--reseal", help="Seal every shard again, even if the server has lost a note.")] = False,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="ID", help="With --reseal: drop an entry that is not in the definition and whose note is lost."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a definition: compile it, send what changed, sign the release and commit it."""
    restart = None if accept_restart is None else whole_number(accept_restart, "--accept-restart")
    definition = publishable_definition(file, env, allow_outside, allow_readable)
    target = defined_target(definition, server, identity)
    if drop and not reseal:
        raise UsageError("--drop is for entries whose notes the server has lost: use it with --reseal")
    wanted = replace(publication(definition, expires), reseal=reseal, drop=frozenset(map(parse_id, drop or ())))
    warn((*definition.warnings, *lint.lint(definition)))
    release = carry_out(
        target,
        wanted.draft,
        dry_run,
        allow_removals,
        as_json,
        yes=yes,
        allow_reverts=allow_reverts,
        restore=restore,
        accepted_restart=restart,
    )
    if release is not None:
        tell(f"published release {release.head.serial} of {target.coffer}. Clients reach it at:")
        publishers = PublisherState.load(target.state_file).publishers or target.roots()
        # With --json, stdout has only the plan.
        typer.echo(str(target.client_address(publishers, release.head.serial)), err=as_json)


def rollback(
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="The release to go back to.", show_default=False)],
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    dry_run: DryRunOption = False,
    expires: ExpiresOption = None,
    yes: YesOption = False,
    allow_removals: RemovalsOption = False,
    as_json: JsonOption = False,
) -> None:
    """Publish again what every client had in an earlier release. No definition is needed."""
    goal = whole_number(serial, "SERIAL")
    target = chosen_target(coffer, server, identity)
    lifetime_s = None if expires is None else durations.parse_lifetime(expires, "--expires")
    back = Rollback(serial=goal, lifetime_s=lifetime_s, is_forever=expires is not None and lifetime_s is None)
    if (release := carry_out(target, back.draft, dry_run, allow_removals, as_json, yes=yes)) is not None:
        tell(f"published release {release.head.serial} of {target.coffer}, with the secrets of release {goal}.")
        tell("The definition did not change: change it back too. Otherwise the next upload undoes this, and asks first")


def carry_out(
    target: Target,
    drafting: Drafting,
    dry_run: bool,
    allow_removals: bool,
    as_json: bool,
    *,
    yes: bool,
    allow_reverts: bool = False,
    restore: bool = False,
    accepted_restart: int | None = None,
) -> SignedHead | None:
    """Make a release of a draft, with its plan shown first. Return None if nothing was changed."""
    if dry_run:
        show_plan(execute(partial(preview, target, drafting, restore=restore, accepted_restart=accepted_restart)), as_json)
        return None

    def approve(plan: Plan) -> None:
        show_plan(plan, as_json)
        if not allow_removals and (removals := plan.drastic_removals()) is not None:
            raise RemovalsError(f"{removals}: nothing was changed", hint="if this is intended, add --allow-removals")
        if not yes and (names := plan.rekeyed()):
            _ask_about_keys(", ".join(names))
        if plan.reverts and not allow_reverts:
            _ask_about_reverts(plan)

    with progress_bar() as progress:
        release = execute(
            partial(
                make,
                target,
                drafting,
                approve=approve,
                progress=progress,
                warned=lambda text: warn([text]),
                restore=restore,
                accepted_restart=accepted_restart,
            )
        )
    if release is None:
        tell("nothing to change")
    return release


def _ask_about_keys(names: str) -> None:
    """Ask on a terminal whether the new public keys are right.

    Raises:
        KeysChangeError: the answer is no, or stdin is not a terminal.
    """
    if sys.stdin.isatty() and typer.confirm(f"The public keys of {names} change. Are the new fingerprints right?", err=True):
        return
    raise KeysChangeError(
        f"the public keys of {names} change: nothing was changed",
        hint="compare the new fingerprint with the one that `coffer-client id` shows on that machine; if it is the same, add --yes",
    )


def _ask_about_reverts(plan: Plan) -> None:
    """Ask on a terminal whether it is intended that something goes back to what an earlier release had.

    Raises:
        RevertsError: it is not, or there is nobody to ask.
    """
    if sys.stdin.isatty() and typer.confirm("This goes back to what an earlier release had, as shown. Is that intended?", err=True):
        return
    first, others = plan.reverts[0], len(plan.reverts) - 1
    more = f", and {others} more like this" if others else ""
    raise RevertsError(
        f"{first}{more}: nothing was changed",
        hint="if the definition is from an old checkout, update it and upload again; if this is intended, add --allow-reverts",
    )


def diff(
    first: Annotated[
        str | None,
        typer.Argument(
            metavar="A", help="A release's serial, or a definition [default: the release before the newest].", show_default=False
        ),
    ] = None,
    second: Annotated[
        str | None,
        typer.Argument(
            metavar="B", help="A release's serial, or a definition, to compare A with [default: the newest release].", show_default=False
        ),
    ] = None,
    coffer: CofferOption = None,
    server: ServerOption = None,
    identity: IdentityOption = None,
    env: EnvOption = None,
    allow_outside: OutsideOption = False,
    as_json: JsonOption = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 10 if there are changes, otherwise with 0.")] = False,
) -> None:
    """Show what differs between two releases, or what a definition would change. Nothing is changed.

    `diff FILE` compares the newest release with a definition, `diff 3 FILE` release 3; `diff 3 5` compares two releases, `diff 3` one with
    the newest; `diff` alone shows what the newest release changed. Write a file whose name is a number as ./7.
    """
    serials = [int(text) for text in (first, second) if text is not None and text.isdecimal()]
    files = [Path(text) for text in (first, second) if text is not None and not text.isdecimal()]
    if len(files) > 1 or (files and second is not None and second.isdecimal()):
        raise UsageError("diff compares two releases, or a release and a definition: type diff [A] [B] or diff [A] FILE")
    if files:
        definition = load_definition(files[0], env, allow_outside)
        target = defined_target(definition, server, identity)
        wanted = publication(definition, None)
        plan = execute(partial(_compare_file, target, wanted, serials[0] if serials else None))
    else:
        target = chosen_target(coffer, server, identity)
        plan = execute(partial(_compare_releases, target, serials))
    show_plan(plan, as_json)
    if exit_code and not plan.is_empty:
        raise typer.Exit(EXIT_CHANGES)


async def _compare_file(target: Target, wanted: Publication, serial: int | None) -> Plan:
    if serial is None:
        return await preview(target, wanted.draft)
    async with based(target) as base:
        return await wanted.compare(base, await held(base.reader, serial))


async def _compare_releases(target: Target, serials: list[int]) -> Plan:
    async with based(target) as base:
        newest = Held(release=base.existing(), listing=base.listing)
        first, second = {
            0: (newest.serial - 1, newest.serial),
            1: (*serials, newest.serial),
            2: tuple(serials),
        }[len(serials)]
        before, after = [newest if serial == newest.serial else await held(base.reader, serial) for serial in (first, second)]
        return await compare(base, after, await find_difference(base, before, after))
