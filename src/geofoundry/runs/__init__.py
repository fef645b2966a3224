"""The run folder: what one training or test leaves behind. No torch in here; matplotlib only when something is drawn."""

from geofoundry.runs.run_folder import RunFolder, RunStatus

__all__ = ["RunFolder", "RunStatus"]
