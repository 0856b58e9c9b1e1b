"""Both drivers offer all that a driver is to offer."""

from __future__ import annotations

import inspect

import pytest

from sqlpair.databases import interface


@pytest.mark.parametrize("engine", ["postgresql", "sqlite"])
def test_driver_offers_everything_and_takes_what_it_is_to_take(engine: str) -> None:
    driver = interface._drivers[engine]
    wanted = {name for name in vars(interface.Driver) if not name.startswith("_")}
    wanted |= set(interface.Driver.__annotations__)

    for name in wanted:
        offered = getattr(driver, name)
        if callable(offered):
            declared = inspect.signature(getattr(interface.Driver, name)).parameters
            assert [*inspect.signature(offered).parameters] == [*declared][1:], name
    with pytest.raises(AttributeError):
        _ = driver.nothing
