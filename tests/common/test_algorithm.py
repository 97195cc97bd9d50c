"""Other default values of a method of the base class."""

import inspect

from sb3_ext.common.algorithm import with_defaults


class Base:
    def learn(self, steps: int, interval: int = 1, name: str = "base", reset: bool = True) -> tuple[object, ...]:
        return self, steps, interval, name, reset


class Derived(Base):
    learn = with_defaults(Base.learn, interval=10, name="derived")


def test_only_the_defaults_are_others() -> None:
    model = Derived()
    assert model.learn(5) == (model, 5, 10, "derived", True)
    assert model.learn(5, 1, "mine", False) == (model, 5, 1, "mine", False)
    assert model.learn(steps=5, name="mine") == (model, 5, 10, "mine", True)
    defaults = {name: argument.default for name, argument in inspect.signature(Derived.learn).parameters.items()}
    assert (defaults["interval"], defaults["name"], defaults["reset"]) == (10, "derived", True)
    assert Base().learn(5)[2:] == (1, "base", True)
