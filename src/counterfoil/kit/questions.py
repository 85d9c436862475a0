"""What `counterfoil init` asks for a connector: options of the command line, made from the connector's declaration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """One option that fills in one setting of a connection.

    Attributes:
        setting: the setting it fills in.
        option: what follows the connector's name: ``url`` is ``--acme-url``, of one connection that is named like the connector. Empty: the
            option is ``--acme NAME=VALUE``, may be repeated, and each is a connection of that name.
        help: what is to be given, for people.
        default: what is taken when a connection is asked for and this is not said; empty: nothing.
        is_secret: what is given is the name of an environment variable that holds the value.
        is_needed: without it the connector's other options say too little.
    """

    setting: str
    option: str
    help: str
    default: str = ""
    is_secret: bool = False
    is_needed: bool = False

    def option_of(self, connector: str) -> str:
        """Return the option as it is written: ``--acme-url``, ``--acme``."""
        return f"--{connector}-{self.option}".rstrip("-").replace("_", "-")

    @property
    def is_repeated(self) -> bool:
        """Whether each use of the option is a connection with a name of its own."""
        return not self.option

    @property
    def placeholder(self) -> str:
        """What stands after the option: ``NAME=ENV_OF_API_KEY`` of one that may be repeated."""
        value = f"ENV_OF_{self.setting.upper()}" if self.is_secret else self.setting.upper()
        return f"NAME={value}" if self.is_repeated else "TEXT"

    def value(self, given: str) -> object:
        """Return the setting's value as the configuration holds it: a secret by reference."""
        return {"env": given} if self.is_secret else given
