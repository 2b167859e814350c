"""Checkpoints of a program: where its jobs save theirs, and where they load those that they go on from."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from hydra_plugins.sharpen_sweeper._settings import Settings
from sharpen import tracking

FOLDER = "checkpoints"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run, one a job.

    Attributes:
        settings: Which keys of the program are told.
        folder: Where the jobs save.
        loaded: Where those that this run goes on from are unpacked; None to begin at the beginning.
    """

    settings: Settings
    folder: Path
    loaded: Path | None = None

    @classmethod
    def of(cls, settings: Settings, run: tracking.Run, sweep_dir: Path, number: str) -> Checkpoints:
        """Return those of a run, with what it goes on from unpacked in its folder."""
        folder = sweep_dir.absolute() / FOLDER / number
        if settings.saving_variable:
            folder.mkdir(parents=True, exist_ok=True)
        if not settings.loading_variable or run.checkpoint is None:
            return cls(settings, folder)
        loaded = run.dir / FOLDER
        with zipfile.ZipFile(run.checkpoint.path) as file:
            file.extractall(loaded)
        return cls(settings, folder, loaded)

    def overrides(self, job: int) -> dict[str, str]:
        """Return what a job is told: where to save, and where to load if there is something."""
        name = f"{job}{self.settings.checkpoint_suffix}"
        paths: dict[str, str] = {}
        if self.settings.saving_variable:
            paths[self.settings.saving_variable] = str(self.folder / name)
        if self.loaded is not None and (self.loaded / name).exists():
            paths[self.settings.loading_variable] = str(self.loaded / name)
        return paths

    def keep(self, run: tracking.Run) -> None:
        """Keep what the jobs have saved with the run, for those that go on from it."""
        saved = [path for path in self.folder.rglob("*") if path.is_file()] if self.folder.is_dir() else []
        if not saved or not self.settings.saving_variable:
            return
        whole = run.dir / f"{FOLDER}.zip"
        with zipfile.ZipFile(whole, "w") as file:
            for path in sorted(saved):
                file.write(path, path.relative_to(self.folder))
        run.save_checkpoint(whole, step=0)  # a run that goes on from this one reports every job anew
