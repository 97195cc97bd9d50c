"""From a media-mix model to a dated spend plan: the command ``sb3-ext plan``."""
