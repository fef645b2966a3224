"""Generated scenes with known truth: for the quickstart, for tests, for trying things without data."""

from geofoundry.data.synthetic.scene import SceneSpec, SyntheticScene, generate_scene

__all__ = ["SceneSpec", "SyntheticScene", "generate_scene"]
