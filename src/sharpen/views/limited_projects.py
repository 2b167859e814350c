"""Projects whose limits hold runs back, in a sentence each."""

from __future__ import annotations

from sharpen.store.project_use import ProjectUse, limits_of, project_uses
from sharpen.store.queries import Reader


def limited_projects(reader: Reader) -> dict[str, str]:
    """Return why no run of a project begins, by project; those below their limits are left out."""
    if not limits_of(reader):
        return {}
    return {use.limits.project: reason for use in project_uses(reader) if (reason := _why(use))}


def _why(use: ProjectUse) -> str:
    limits = use.limits
    if use.is_used_up:
        reason = f"has made {use.n_runs:,} of {limits.runs:,} runs, and makes no more"
        return f"project {limits.project} {reason}: 'sharpen project limit' raises it"
    if use.is_busy:
        reason = f"has {use.n_at_work:,} of {limits.runs_at_once:,} runs at work"
        return f"project {limits.project} {reason}: the others wait for one to end"
    return ""
