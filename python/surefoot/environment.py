"""The objective that an environment variable names, for trainers whose hooks take no options."""

import os

import surefoot

VARIABLE = "SUREFOOT_OBJECTIVE"


def parse_objective(text: str) -> surefoot.Objective:
    """The objective that a text as `mhpo,bound=1.0` names, as `surefoot objective curve --objective` takes it."""
    name, *options = (part.strip() for part in text.split(","))
    pairs = {}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise ValueError(f"`{option}` is no option; write it as clip_low=0.2")
        if key.strip() in pairs:
            raise ValueError(f"`{key.strip()}` is there twice")
        pairs[key.strip()] = value.strip()
    return surefoot.Objective(name, **pairs)


def objective_from_environment() -> surefoot.Objective:
    """The objective in `SUREFOOT_OBJECTIVE`, MHPO where it is not set or empty."""
    try:
        return parse_objective(os.environ.get(VARIABLE) or "mhpo")
    except ValueError as error:
        raise ValueError(f"{VARIABLE}: {error}") from None
