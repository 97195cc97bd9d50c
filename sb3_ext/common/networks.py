"""What the networks and policies of the package have beside what SB3's have."""

from stable_baselines3.common.policies import BaseModel

from sb3_ext.common.files import saved_whole


class SavedWhole(BaseModel):
    """Mixin for networks and policies, before the base class."""

    def save(self, path: str) -> None:
        """Save in a file that appears whole or not at all; :class:`OSError` if it cannot be written."""
        with saved_whole(path, "") as file:
            super().save(file)
