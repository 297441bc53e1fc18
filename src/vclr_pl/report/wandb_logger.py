"""The logger of Weights & Biases: offline without an API key or a connection; errors of W&B never end a run."""

from __future__ import annotations

import inspect
import logging
import os
import shlex
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from vclr_pl.report.logged_run import keep_logged_run, logged_run
from vclr_pl.report.wandb_dashboard import is_installed, save_dashboard

logger = logging.getLogger(__name__)


ONLINE, OFFLINE = "online", "offline"
KIND = "wandb"
Intervals = Mapping[str, tuple[float, float]]


def wandb_logger(
    *, project: str, name: str, save_dir: str, group: str | None = None, dashboard: bool = False, resume: str | None = None
) -> ForgivingWandbLogger:
    """A logger that writes below `save_dir`; WANDB_MODE and the other variables and files of W&B have their usual effect.

    Args:
        dashboard: save a view of the project with our panels at the start of a run that is online.
        resume: of the training. Unless it is None, the W&B run of an earlier start in `save_dir` is continued.
    """
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    number = (logged_run(save_dir, kind=KIND) if resume is not None else None) or uuid.uuid4().hex[:8]
    options = {"project": project, "name": name, "group": group, "save_dir": save_dir, "id": number}
    return ForgivingWandbLogger(**options, log_model=False, dashboard=dashboard)


class ForgivingWandbLogger(WandbLogger):
    """Starts the W&B run at the first call. After the first error it warns and stops calling W&B."""

    def __init__(self, *, dashboard: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.is_lost, self.dashboard = False, dashboard
        del self._wandb_init["anonymous"]  # left out if None: newer wandb warns about None

    @property
    def experiment(self) -> Any:
        """The run of W&B, None after W&B has failed; a dummy on ranks other than 0."""
        if rank_zero_only.rank:  # type: ignore[attr-defined]
            return super().experiment
        if self._experiment is None and not self.is_lost:
            self._attempt(self._begin)
        return self._experiment

    def log_hyperparams(self, *values: Any) -> None:
        self._attempt(super().log_hyperparams, *values)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._attempt(super().log_metrics, metrics, step)

    def log_image(self, key: str, images: list[Any], step: int | None = None, **options: Any) -> None:
        self._attempt(super().log_image, key, images, step, **options)

    def log_evaluation(
        self, *, metrics: Mapping[str, float], baseline: Mapping[str, float], intervals: Intervals, page: Path | None
    ) -> None:
        """Log the metrics, and the page as an HTML panel; the summary has baseline, gain and interval too."""
        self._attempt(self._log_evaluation, metrics, baseline, intervals, page)

    @rank_zero_only
    def _log_evaluation(self, metrics: Mapping[str, float], baseline: Mapping[str, float], intervals: Intervals, page: Path | None) -> None:
        self.experiment.log({f"evaluation/{name}": value for name, value in metrics.items()})
        self.experiment.summary.update({f"baseline/{name}": value for name, value in baseline.items()})
        self.experiment.summary.update({f"gain/{name}": metrics[name] - value for name, value in baseline.items() if name in metrics})
        self.experiment.summary.update({f"interval/{name}": list(ends) for name, ends in intervals.items()})
        if page is not None:
            from wandb import Html  # loaded by `experiment`

            self.experiment.log({"evaluation/page": Html(str(page), inject=False)})

    def _attempt(self, call: Callable[..., Any], *arguments: Any, **options: Any) -> None:
        if self.is_lost:
            return
        try:
            call(*arguments, **options)
        except Exception as error:
            if not self.is_lost:  # error of a nested call
                logger.warning("W&B failed (%s): continuing without it", _first_line(error))
            self.is_lost, self._experiment = True, None

    def _begin(self) -> None:
        """Start the run online if there are a key and a connection, else offline; W&B's own variables and files have priority."""
        _keep_cache_in(Path(str(self._save_dir)) / "wandb" / "cache")
        self._keep_id()
        import wandb  # takes half a second, which a run without W&B avoids

        mode, reason = wandb.setup().settings.mode, "has no API key"
        try:
            if mode != ONLINE or has_key(wandb):
                run = super().experiment
                if self.dashboard and mode == ONLINE:
                    _save_dashboard(run)
                return
        except Exception as error:  # various errors: a refused key, no network
            if mode != ONLINE:
                raise
            reason = f"could not start the run ({_first_line(error)})"
            self._wandb_init["id"] = uuid.uuid4().hex[:8]  # in this process the id belongs to the run that has failed
            self._keep_id()
        # Set for this call: WANDB_MODE would be too late, because wandb has already read its settings.
        self._wandb_init |= {"mode": OFFLINE, "resume": None}
        folder = shlex.quote(str(self._save_dir))
        logger.warning("W&B %s: the run stays offline; later: `wandb login`, then `wandb sync %s/wandb/offline-run-*`", reason, folder)
        _ = super().experiment

    def _keep_id(self) -> None:
        keep_logged_run(str(self._save_dir), kind=KIND, name=str(self._wandb_init["id"]))


def _save_dashboard(run: Any) -> None:
    """Save the view of the project of a run that is online. A failure is a warning."""
    if not is_installed():
        logger.warning("logger.wandb.dashboard=true needs the package wandb-workspaces: pip install wandb-workspaces")
        return
    try:
        logger.info("W&B dashboard: %s", save_dashboard(entity=run.entity, project=run.project))
    except Exception as error:  # whatever the server or the package raises
        logger.warning("W&B did not save the dashboard (%s)", _first_line(error))


def _keep_cache_in(folder: Path) -> None:
    """Write wandb's logs to `folder` if there is no home folder: wandb would print them and create a cache in the working folder."""
    if "WANDB_CACHE_DIR" in os.environ:
        return
    home = os.environ.get("HOME")
    usual = os.environ.get("XDG_CACHE_HOME") or (home and str(Path(home) / ".cache"))
    try:
        if not usual:
            raise FileNotFoundError("neither HOME nor XDG_CACHE_HOME")
        logs = Path(usual) / "wandb" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=logs).close()
    except OSError:
        os.environ["WANDB_CACHE_DIR"] = str(folder.absolute())


def has_key(wandb: Any) -> bool:
    """True if wandb has an API key or another credential without prompting.

    Args:
        wandb: the module.
    """
    if "prompt" in inspect.signature(wandb.login).parameters:  # in versions with this function, `wandb.api` is deprecated
        return bool(wandb.login(prompt=False, verify=False))
    return bool(os.environ.get("WANDB_IDENTITY_TOKEN_FILE") or wandb.api.api_key)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
